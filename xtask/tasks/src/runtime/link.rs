//! The core module: CPython and the C shim, linked.

use super::compiler::{Compiler, FLAGS};
use super::cpython;
use super::wit::World;
use crate::command::run;
use crate::key::Key;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

const STEP: Step = Step {
    name: "module",
    what: "link CPython with the shim",
    seconds: 100,
    results: &["module.wasm"],
};

/// Files of the shim that define functions of libc, those that others use first.
const INSTEAD_OF_LIBC: &[&str] = &[
    "descriptors.c",
    "calls_of_libc.c",
    "clock.c",
    "malloc.c",
    "memory.c",
    "files.c",
    "open_files.c",
    "contents.c",
    "record_locks.c",
    "streams.c",
    "directories.c",
    "locks.c",
    "search.c",
];

/// C's own stack, below the interpreter's data.
const STACK_SIZE: u32 = 8 << 20;

const LINK_FLAGS: &[&str] = &["-mexec-model=reactor", "-Wl,--no-entry", "-Wl,-s"];

/// Yields `module.wasm`.
pub(crate) fn build(
    shop: &mut Workshop,
    repository: &Path,
    world: &World,
    compiler: &Compiler,
    source: &Made,
    made: &Parts,
) -> Result<Made> {
    let shim = repository.join("python-runtime/shim");
    let bindings = world.bindings()?;
    let key = bindings
        .in_key(Key::of("module"))
        .key(made.wasi.key)
        .key(made.libraries.key)
        .key(made.library.key)
        .tree(&shim)?
        .text(&FLAGS.join(" "))
        .text(include_str!("link.rs"))
        .done();
    shop.step(STEP, key, |folder, meter| {
        let mut files = bindings.write(folder)?;
        files.push(made.library.folder.join("frozen.c"));
        for entry in fs::read_dir(&shim)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "c") {
                files.push(path);
            }
        }
        files.sort_by_key(|file| place(file, &shim));

        let mut command = compiler.cc();
        command.args(FLAGS).args(["-std=c23", "-Wall", "-Wextra", "-Werror"]);
        command.args(LINK_FLAGS).arg(format!("-Wl,-z,stack-size={STACK_SIZE}"));
        let python = source.folder.join("Include");
        let internal = python.join("internal");
        for include in [&*shim, folder, &python, &internal, &made.wasi.folder, &made.allocator] {
            command.arg("-I").arg(include);
        }
        command.arg("-idirafter").arg(compiler.libc());
        command.arg(format!("--embed-dir={}", made.library.folder.display()));
        command.args(files);
        command.args(cpython::archives().map(|name| made.wasi.folder.join(name)));
        command.arg(format!("-L{}", made.libraries.folder.display()));
        command.args(["-lsqlite3", "-lz", "-lbz2", "-llzma", "-lm"]);
        command.args(
            ["signal", "getpid", "process-clocks"].map(|name| format!("-lwasi-emulated-{name}")),
        );
        command.arg("-o").arg(folder.join("module.wasm"));
        run(&mut command, &folder.join("link.log"), meter, 1).context("`zig cc` failed")
    })
}

/// Where a file stands among those that are linked: what the optimiser makes of them
/// depends on that, so it must not depend on where the folders are.
fn place(file: &Path, shim: &Path) -> (usize, bool, Option<OsString>) {
    // What these define in libc's stead must come before the first use, or the linker
    // takes libc's.
    let rank = INSTEAD_OF_LIBC.iter().position(|name| file.ends_with(name));
    let name = file.file_name().map(ToOwned::to_owned);
    (rank.unwrap_or(usize::MAX), file.starts_with(shim), name)
}

/// What is linked together.
pub(crate) struct Parts {
    pub(crate) libraries: Made,
    pub(crate) wasi: Made,
    pub(crate) library: Made,
    /// Where the crate with the allocator's source is; its version is in the key of
    /// `libraries`.
    pub(crate) allocator: PathBuf,
}

/// The file that [`build`] makes.
pub(crate) fn module(made: &Made) -> PathBuf {
    made.folder.join("module.wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_folders_are_does_not_change_the_order() {
        let order = |shim: &str, cache: &str| {
            let names = ["output.c", "calls.c", "malloc.c", "descriptors.c"];
            let own = names.map(|name| Path::new(shim).join(name));
            let made = ["a/sandbox.c", "b/frozen.c"].map(|name| Path::new(cache).join(name));
            let mut files: Vec<_> = own.into_iter().chain(made).collect();
            files.sort_by_key(|file| place(file, Path::new(shim)));
            files.iter().filter_map(|file| Some(file.file_name()?.to_owned())).collect::<Vec<_>>()
        };
        let expected =
            ["descriptors.c", "malloc.c", "frozen.c", "sandbox.c", "calls.c", "output.c"];
        for (shim, cache) in [("/a/shim", "/b"), ("/b/shim", "/a"), ("/a/shim", "/a-b")] {
            assert_eq!(order(shim, cache), expected);
        }
    }
}
