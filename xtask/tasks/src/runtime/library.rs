//! The standard library and the guest library, compiled and put in one archive.

use super::archive;
use super::lock::Lock;
use super::native::native_python;
use crate::command::run;
use crate::key::Key;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

const STEP: Step = Step {
    name: "library",
    what: "compile the standard library",
    seconds: 12,
    results: &[ARCHIVE, "frozen.c"],
};
const ARCHIVE: &str = "stdlib.zip";
const SCRIPT: &str = include_str!("library.py");

/// Yields `stdlib.zip` and `frozen.c`.
pub(crate) fn build(
    shop: &mut Workshop,
    repository: &Path,
    lock: &Lock,
    source: &Made,
    native: &Made,
    wasi: &Made,
    extra: &Made,
) -> Result<Made> {
    let ours = repository.join("python-runtime/lib");
    let key = Key::of("library")
        .key(native.key)
        .key(wasi.key)
        .key(extra.key)
        .tree(&ours)?
        .text(include_str!("library.rs"))
        .text(include_str!("archive.rs"))
        .text(&lock.of("miniz_oxide")?.version)
        .text(SCRIPT)
        .done();
    shop.step(STEP, key, |folder, meter| {
        let generated = folder.join("generated");
        fs::create_dir_all(&generated)?;
        write_sysconfig(&source.folder, &wasi.folder, &generated)?;
        run(
            Command::new(native_python(&native.folder))
                .env("PYTHONHASHSEED", "0")
                .args(["-I", "-c", SCRIPT])
                .arg(folder)
                .arg(source.folder.join("Lib"))
                .arg(&extra.folder)
                .arg(&ours)
                .arg(&generated),
            &folder.join("library.log"),
            &meter.part(0.0, 0.7),
            1,
        )?;
        let archive = archive::of_folder(&folder.join("library"))?;
        fs::write(folder.join(ARCHIVE), archive).context("cannot write the archive")
    })
}

/// Copies what `sysconfig` reads, without the paths of this machine.
fn write_sysconfig(source: &Path, wasi: &Path, to: &Path) -> Result<()> {
    const NAME: &str = "_sysconfigdata__wasi_wasm32-wasi.py";
    let built = fs::read_to_string(wasi.join("pybuilddir.txt"))
        .context("CPython's build named no library folder")?;
    let path = wasi.join(built.trim()).join(NAME);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let cache = wasi.parent().unwrap_or(wasi);
    let text = text
        .replace(&*source.to_string_lossy(), "/usr/src/python")
        .replace(&*wasi.to_string_lossy(), "/usr/src/build")
        .replace(&*cache.to_string_lossy(), "/usr/src");
    fs::write(to.join(NAME), text)?;
    Ok(())
}
