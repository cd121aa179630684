//! `zig cc` for wasm32-wasi.

use crate::key::Key;
use crate::workshop::Made;
use std::path::PathBuf;
use std::process::Command;

/// What every C file of the guest is compiled with. What is measured of this and
/// what is not yet: `docs/decisions/0002-compiler-flags.md`.
pub(crate) const FLAGS: &[&str] = &[
    "-O2",
    "-flto",
    "-g0",
    "-DNDEBUG",
    "-D_WASI_EMULATED_SIGNAL",
    "-D_WASI_EMULATED_GETPID",
    "-D_WASI_EMULATED_PROCESS_CLOCKS",
];

pub(crate) const TARGET: &str = "wasm32-wasi";

/// What makes the compiler's output the same each time.
const ENVIRONMENT: [(&str, &str); 2] = [("SOURCE_DATE_EPOCH", "315532800"), ("LC_ALL", "C")];

#[derive(Clone)]
pub(crate) struct Compiler {
    zig: PathBuf,
    cache: PathBuf,
    /// What its output depends on, besides what it is given.
    pub(crate) key: Key,
}

impl Compiler {
    /// `cache` is zig's own cache folder, where it keeps the libc it compiles.
    pub(crate) fn new(zig: &Made, cache: PathBuf) -> Self {
        let name = if cfg!(windows) { "zig.exe" } else { "zig" };
        let mut key = Key::of("compiler").key(zig.key).text(TARGET);
        for (variable, value) in ENVIRONMENT {
            key = key.text(variable).text(value);
        }
        Self { zig: zig.folder.join(name), cache, key: key.done() }
    }

    /// A `zig` command with the environment that makes its output reproducible.
    pub(crate) fn zig(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.zig);
        self.environment(&mut command);
        command.arg(subcommand);
        command
    }

    pub(crate) fn cc(&self) -> Command {
        let mut command = self.zig("cc");
        command.args(["-target", TARGET]);
        command
    }

    /// The sources of the guest's libc.
    pub(crate) fn libc(&self) -> PathBuf {
        self.zig.with_file_name("lib").join("libc/wasi")
    }

    /// Sets what zig, called from another program, needs.
    pub(crate) fn environment(&self, command: &mut Command) {
        command
            .env("ZIG_GLOBAL_CACHE_DIR", &self.cache)
            .env("ZIG_LOCAL_CACHE_DIR", &self.cache)
            .envs(ENVIRONMENT);
    }

    /// The subcommand as one string for a makefile.
    pub(crate) fn text(&self, subcommand: &str) -> String {
        format!("{} {subcommand}", self.zig.display())
    }
}
