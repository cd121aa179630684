//! What pip installs for the build: wheels, pinned by hash.

use super::fetch::host_python;
use super::sources::Wheel;
use crate::command::{output, run};
use crate::failure::Failure;
use crate::key::Key;
use crate::progress::Meter;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where pip downloads to and installs to, below a step's folder.
const DOWNLOADED: &str = "downloaded";
const INSTALLED: &str = "installed";

/// The C compiler for WebAssembly, with its libc.
pub(crate) fn zig(shop: &mut Workshop, zig: &Wheel) -> Result<Made> {
    let step = Step { name: "zig", what: "fetch the compiler", seconds: 12, results: &[] };
    let made = wheels(shop, step, &[zig])?;
    Ok(Made { folder: made.folder.join("ziglang"), key: made.key })
}

/// GNU make, for machines that have none. Some seconds; they are not counted.
pub(crate) fn make(shop: &mut Workshop, make: &Wheel) -> Result<Made> {
    let step = Step { name: "make", what: "fetch GNU make", seconds: 0, results: &[] };
    wheels(shop, step, &[make])
}

/// The libraries that are frozen into the runtime.
pub(crate) fn libraries(shop: &mut Workshop, all: &BTreeMap<String, Wheel>) -> Result<Made> {
    let what = "fetch Python libraries";
    let step = Step { name: "python-libraries", what, seconds: 3, results: &[] };
    wheels(shop, step, &all.values().collect::<Vec<_>>())
}

fn wheels(shop: &mut Workshop, step: Step, wheels: &[&Wheel]) -> Result<Made> {
    let line = |wheel: &&Wheel| {
        let mut words = vec![format!("{}=={}", wheel.package, wheel.version)];
        words.extend(wheel.sha256.iter().map(|hash| format!("--hash=sha256:{hash}")));
        words.join(" ") + "\n"
    };
    let requirements: String = wheels.iter().map(line).collect();
    let key = Key::of(step.name).text(&requirements).done();
    let made = shop.step(step, key, |folder, meter| {
        let files = download(folder, wheels, &meter.part(0.0, 0.7))?;
        install(folder, &files, &meter.part(0.7, 1.0))?;
        fs::remove_dir_all(folder.join(DOWNLOADED)).context("cannot remove what is installed")
    })?;
    Ok(Made { folder: made.folder.join(INSTALLED), key: made.key })
}

/// Wheels, one after the other, each with a hash that it may have. pip could check
/// that too, but would not say whether the hash or the network is what is wrong.
fn download(folder: &Path, wheels: &[&Wheel], meter: &Meter) -> Result<Vec<PathBuf>> {
    if output(host_python().args(["-m", "pip", "--version"])).is_err() {
        return Err(Failure::MissingTool("`python3 -m pip`".into()).into());
    }
    let mut files = Vec::new();
    for wheel in wheels {
        let name = format!("{}=={}", wheel.package, wheel.version);
        let to = folder.join(DOWNLOADED).join(&wheel.package);
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        let mut pip = host_python();
        pip.args(["-m", "pip", "download", "--disable-pip-version-check", "--no-input"])
            .args(["--no-deps", "--only-binary", ":all:"])
            .arg(&name)
            .arg("--dest")
            .arg(&to);
        run(&mut pip, &folder.join("download.log"), meter, 5)
            .with_context(|| Failure::Unreachable(format!("{name} from the package index")))?;
        for entry in fs::read_dir(&to)? {
            let file = entry?.path();
            check(&file, wheel)?;
            files.push(file);
        }
    }
    Ok(files)
}

fn check(file: &Path, wheel: &Wheel) -> Result<()> {
    let mut hasher = Sha256::new();
    let mut content =
        File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    io::copy(&mut content, &mut hasher)?;
    let found = format!("{:x}", hasher.finalize());
    if wheel.sha256.contains(&found) {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Err(Failure::WrongHash(format!("{name}, sha256 {found}")).into())
}

fn install(folder: &Path, files: &[PathBuf], meter: &Meter) -> Result<()> {
    let mut pip = host_python();
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
        .args(["--no-index", "--no-deps", "--upgrade", "--no-compile", "--target"])
        .arg(folder.join(INSTALLED))
        .args(files);
    run(&mut pip, &folder.join("pip.log"), meter, 5).context("pip cannot install it")
}

#[cfg(test)]
mod tests {
    use super::{Wheel, check};
    use crate::failure::Failure;
    use std::fs;

    #[test]
    fn a_wheel_may_have_any_of_its_hashes_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.whl");
        fs::write(&file, "other").unwrap();
        let found = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
        let wheel = |sha256: &[&str]| Wheel {
            package: "a".into(),
            version: "1".into(),
            license: "MIT".into(),
            texts: Vec::new(),
            sha256: sha256.iter().map(|hash| (*hash).to_owned()).collect(),
        };
        assert!(check(&file, &wheel(&["0", found])).is_ok());
        let error = check(&file, &wheel(&["0"])).unwrap_err();
        assert_eq!(Failure::of(&error), Some(Failure::WrongHash(format!("a.whl, sha256 {found}"))));
    }
}
