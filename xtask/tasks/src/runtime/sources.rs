//! What is fetched: CPython's source and the compiler, pinned by hash in
//! `python-runtime/sources.toml`; the C libraries' sources come through Cargo.

use crate::command::{output, run};
use crate::key::Key;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FETCH: &str = include_str!("fetch.py");

#[derive(Deserialize)]
pub(crate) struct Sources {
    pub(crate) python: Python,
    pub(crate) zig: Wheel,
    pub(crate) make: Wheel,
    pub(crate) libraries: BTreeMap<String, Wheel>,
    pub(crate) crates: BTreeMap<String, Crate>,
}

#[derive(Deserialize)]
pub(crate) struct Python {
    pub(crate) version: String,
    pub(crate) archive: String,
    pub(crate) sha256: String,
    pub(crate) license: String,
    pub(crate) urls: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Wheel {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) license: String,
    pub(crate) sha256: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Crate {
    pub(crate) package: String,
    pub(crate) license: String,
}

impl Sources {
    pub(crate) fn read(repository: &Path) -> Result<Self> {
        let path = repository.join("python-runtime/sources.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
    }
}

/// The Python that the machine has; it only fetches and installs.
pub(crate) fn host_python() -> Command {
    Command::new(env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

/// CPython's source tree.
pub(crate) fn python_source(shop: &mut Workshop, python: &Python) -> Result<Made> {
    let key = Key::of("python source").text(&python.sha256).done();
    let step = Step { name: "python-source", what: "fetch CPython's source", seconds: 8 };
    shop.step(step, key, |folder, meter| {
        let archive = folder.join(&python.archive);
        let urls = candidates(&python.urls);
        run(
            host_python()
                .args(["-c", FETCH])
                .arg(&archive)
                .arg(&python.sha256)
                .arg(folder)
                .args(&urls),
            &folder.join("fetch.log"),
            meter,
            100,
        )
    })
    .map(|made| Made {
        folder: made.folder.join(format!("Python-{}", python.version)),
        key: made.key,
    })
}

/// The URLs to try, with Debian's mirrors filled in.
fn candidates(urls: &[String]) -> Vec<String> {
    let mirrors = debian_mirrors();
    urls.iter()
        .flat_map(|url| match url.strip_prefix("{debian}") {
            Some(path) => mirrors.iter().map(|mirror| format!("{mirror}{path}")).collect(),
            None => vec![url.clone()],
        })
        .collect()
}

/// The mirrors that apt is set up to use on this machine.
fn debian_mirrors() -> Vec<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut mirrors = Vec::new();
    for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
        let words = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace);
        for word in words {
            let word = word.trim_end_matches('/');
            if word.starts_with("http") && !mirrors.iter().any(|known| known == word) {
                mirrors.push(word.to_owned());
            }
        }
    }
    mirrors
}

/// The C compiler for WebAssembly, with its libc.
pub(crate) fn zig(shop: &mut Workshop, zig: &Wheel) -> Result<Made> {
    let step = Step { name: "zig", what: "fetch the compiler", seconds: 12 };
    let made = wheels(shop, step, &[zig])?;
    Ok(Made { folder: made.folder.join("ziglang"), key: made.key })
}

/// GNU make, for machines that have none. Some seconds; they are not counted.
pub(crate) fn make(shop: &mut Workshop, make: &Wheel) -> Result<Made> {
    wheels(shop, Step { name: "make", what: "fetch GNU make", seconds: 0 }, &[make])
}

/// The libraries that are frozen into the runtime.
pub(crate) fn libraries(shop: &mut Workshop, all: &BTreeMap<String, Wheel>) -> Result<Made> {
    let step = Step { name: "python-libraries", what: "fetch Python libraries", seconds: 3 };
    wheels(shop, step, &all.values().collect::<Vec<_>>())
}

/// What pip installs of these wheels, checked by hash.
fn wheels(shop: &mut Workshop, step: Step, wheels: &[&Wheel]) -> Result<Made> {
    let line = |wheel: &&Wheel| {
        let mut words = vec![format!("{}=={}", wheel.package, wheel.version)];
        words.extend(wheel.sha256.iter().map(|hash| format!("--hash=sha256:{hash}")));
        words.join(" ") + "\n"
    };
    let requirements: String = wheels.iter().map(line).collect();
    let key = Key::of(step.name).text(&requirements).done();
    let made = shop.step(step, key, |folder, meter| {
        let list = folder.join("requirements.txt");
        fs::write(&list, &requirements)?;
        run(
            host_python()
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
                .args(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--upgrade"])
                .args(["--no-compile", "--target"])
                .arg(folder.join(INSTALLED))
                .arg("-r")
                .arg(&list),
            &folder.join("pip.log"),
            meter,
            5,
        )
        .with_context(|| format!("cannot install from the package index: {}", requirements.trim()))
    })?;
    Ok(Made { folder: made.folder.join(INSTALLED), key: made.key })
}

/// Where pip installs to, below a step's folder.
const INSTALLED: &str = "installed";

/// Where Cargo keeps the sources of the crates that carry C libraries, and a
/// key of their versions.
pub(crate) fn crate_sources(
    repository: &Path,
    crates: &BTreeMap<String, Crate>,
) -> Result<BTreeMap<String, CrateSource>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        manifest_path: PathBuf,
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = output(Command::new(&cargo).current_dir(repository).args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
    ]))
    .context("cannot fetch the C libraries' sources through Cargo")?;
    let metadata: Metadata =
        serde_json::from_str(&text).context("cannot read what `cargo metadata` printed")?;
    let mut found = BTreeMap::new();
    for (library, wanted) in crates {
        let Some(package) = metadata.packages.iter().find(|p| p.name == wanted.package) else {
            bail!("the crate {} is not among the dependencies of xtask", wanted.package);
        };
        let folder = package.manifest_path.parent().unwrap_or(Path::new("")).to_owned();
        let source = CrateSource { version: package.version.clone(), folder };
        found.insert(library.clone(), source);
    }
    Ok(found)
}

pub(crate) struct CrateSource {
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
}
