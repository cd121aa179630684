//! The servers that tests talk to: real ones, fetched where the machine has none.

use crate::cache;
use crate::command::output;
use crate::failure::{Failure, explained};
use crate::key::Key;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the tests of a folder like `/` that has servers.
pub(crate) const VARIABLE: &str = "ERYX_TEST_SERVERS";

/// Servers, and Debian's packages of them.
const WANTED: [(&str, &str); 3] =
    [("nginx", "nginx"), ("redis-server", "redis-server"), ("initdb", "postgresql")];

/// A folder with the servers that this machine has not installed. Nothing is
/// installed: Debian's packages are unpacked in the cache. None if all are installed.
pub(crate) fn fetch() -> Result<Option<PathBuf>> {
    let missing: Vec<_> =
        WANTED.iter().filter(|(program, _)| !installed(program)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let root = cache::root()?.join("servers");
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let fetched = fetch_packages(&missing, &root).with_context(|| {
        Failure::Unreachable(format!(
            "tests need servers that are not installed, and of these Debian's packages could \
             not be had: {}. Install them, or run the tests by Cargo alone, where those that \
             find no server say so and end",
            missing.join(", ")
        ))
    });
    fetched.map(Some).map_err(|error| explained(error, &root))
}

fn fetch_packages(missing: &[&str], root: &Path) -> Result<PathBuf> {
    let lists = root.join("lists");
    // What apt knows of packages may be nothing, or so old that they are gone.
    unpacked(missing, root, &Apt::of_the_machine())
        .or_else(|_| unpacked(missing, root, &Apt::updated(&lists)?))
}

fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin".into(), "/usr/local/sbin".into()];
    env::split_paths(&path).chain(more).any(|folder: PathBuf| folder.join(program).is_file())
}

/// The packages, with all that they need and the machine has not, unpacked.
fn unpacked(packages: &[&str], root: &Path, apt: &Apt) -> Result<PathBuf> {
    let all = apt.needed(packages)?;
    let folder = root.join(Key::of("servers").text(&all.join("\n")).done().to_string());
    if folder.is_dir() {
        return Ok(folder);
    }
    let unfinished = tempfile::tempdir_in(root).context("the cache cannot be written to")?;
    let downloads = unfinished.path().join("downloads");
    let made = unfinished.path().join("made");
    fs::create_dir_all(&downloads)?;
    output(apt.command().current_dir(&downloads).arg("download").args(names(&all)))?;
    for archive in fs::read_dir(&downloads)? {
        output(Command::new("dpkg-deb").arg("-x").arg(archive?.path()).arg(&made))?;
    }
    // Somebody else may have been faster.
    if fs::rename(&made, &folder).is_err() && !folder.is_dir() {
        bail!("{} cannot be written", folder.display());
    }
    Ok(folder)
}

fn names(all: &[String]) -> impl Iterator<Item = &str> {
    all.iter().filter_map(|line| line.split_whitespace().next())
}

/// `apt-get`, with the lists of packages that it goes by.
struct Apt(Vec<String>);

impl Apt {
    fn of_the_machine() -> Self {
        Self(Vec::new())
    }

    /// With lists of its own, in `folder`, as they are now.
    fn updated(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("partial"))?;
        let apt = Self(vec![
            format!("Dir::State::lists={}", folder.display()),
            format!("Dir::Cache={}", folder.display()),
            "Debug::NoLocking=1".to_owned(),
        ]);
        output(apt.command().arg("update"))?;
        Ok(apt)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.stdin(Stdio::null()).env("LC_ALL", "C");
        for option in &self.0 {
            command.arg("-o").arg(option);
        }
        command
    }

    /// What would be installed, with versions.
    fn needed(&self, packages: &[&str]) -> Result<Vec<String>> {
        let arguments = ["--simulate", "--no-install-recommends", "install"];
        let said = output(self.command().args(arguments).args(packages))?;
        Ok(said
            .lines()
            .filter_map(|line| line.strip_prefix("Inst "))
            .map(ToOwned::to_owned)
            .collect())
    }
}
