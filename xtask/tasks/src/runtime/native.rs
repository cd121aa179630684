//! A native CPython of the very version, which helps to build.

use super::make::Make;
use crate::command::{output, run};
use crate::failure::Failure;
use crate::key::Key;
use crate::workshop::{Made, Step, Workshop, once};
use anyhow::Result;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const STEP: Step = Step {
    name: "python-native",
    what: "build the native CPython",
    seconds: 110,
    results: &["pybuilddir.txt"],
};

/// For speed of building only. What the machine has of libraries decides which modules
/// it has: nothing of the runtime may depend on those.
const OPTIONS: [&str; 3] = ["--disable-test-modules", "--without-ensurepip", "OPT=-O1"];

/// Yields an interpreter: see [`native_python`].
pub(crate) fn build(shop: &mut Workshop, source: &Made, make: &Make) -> Result<Made> {
    let host = HostCompiler::find()?;
    let key = Key::of("native python")
        .key(source.key)
        .text(env::consts::OS)
        .text(env::consts::ARCH)
        .text(&OPTIONS.join(" "))
        .text(&host.version)
        .done();
    shop.step(STEP, key, |folder, meter| {
        once(folder, || {
            run(
                Command::new(source.folder.join("configure"))
                    .current_dir(folder)
                    .args(OPTIONS)
                    .arg(format!("CC={}", host.program)),
                &folder.join("configure.log"),
                &meter.part(0.0, 0.25),
                750,
            )
        })?;
        make.run(folder, &[], &meter.part(0.25, 1.0), 430)
    })
}

/// The interpreter's name in its build folder: file systems that ignore case
/// make CPython add an ending.
pub(crate) fn native_python(native: &Path) -> PathBuf {
    let plain = native.join("python");
    if plain.is_file() { plain } else { native.join("python.exe") }
}

/// The machine's own C compiler.
struct HostCompiler {
    program: String,
    version: String,
}

impl HostCompiler {
    /// The one that `CC` names, or the first that there is.
    fn find() -> Result<Self> {
        let named = env::var("CC").ok().filter(|named| !named.is_empty());
        let usual = ["gcc", "cc", "clang"].map(str::to_owned);
        for program in named.map_or(usual.to_vec(), |named| vec![named]) {
            // It may be named with options.
            let mut words = program.split_whitespace();
            let mut command = Command::new(words.next().unwrap_or_default());
            if let Ok(version) = output(command.args(words).arg("--version")) {
                return Ok(Self { program, version });
            }
        }
        Err(Failure::MissingTool("a C compiler (`cc`, or what CC names)".into()).into())
    }
}
