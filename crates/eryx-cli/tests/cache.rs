//! Compiled code where it can be kept and where it cannot, as a user sees it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Runs where no place for the cache is named, but this is the user's.
fn at_home(home: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eryx"))
        .args(["run", "-c", "print(1)"])
        .env_remove("ERYX_CACHE_DIR")
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", home)
        .output()
        .unwrap()
}

fn told(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_home_that_cannot_be_written_costs_only_time() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("a-file");
    fs::write(&home, "").unwrap();
    let output = at_home(&home);
    assert_eq!(output.stdout, b"1\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    let reason = "cannot be kept, so that each start compiles it again: cannot create the cache";
    assert_eq!(told(&output).matches(reason).count(), 1, "{output:?}");
}

#[test]
fn the_first_start_says_what_it_does_and_one_that_keeps_nothing_too() {
    let home = TempDir::new().unwrap();
    let [first, second] = [(), ()].map(|()| at_home(home.path()));
    let notice = "eryx: compiling the Python runtime for this machine, once (about 15 s)\n";
    assert!(told(&first).starts_with(notice), "{first:?}");
    assert!(told(&first).contains("eryx: compiled in "), "{first:?}");
    assert_eq!(told(&first).lines().count(), 2, "{first:?}");
    assert_eq!((&*first.stdout, first.status.code()), (&b"1\n"[..], Some(0)));
    assert_eq!(told(&second), "");

    // What is in the way stops the superuser too, as a full disk would.
    let files = fs::read_dir(find(home.path(), "compiled").unwrap()).unwrap();
    for path in files.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|ending| ending == "tag") {
            fs::remove_file(&path).unwrap();
            fs::create_dir_all(path.join("full")).unwrap();
        }
    }
    let output = at_home(home.path());
    assert_eq!((&*output.stdout, output.status.code()), (&b"1\n"[..], Some(0)), "{output:?}");
    let reason = "cannot be kept, so that each start compiles it again: cannot write";
    assert_eq!(told(&output).matches(reason).count(), 1, "{output:?}");
}

/// A folder of that name, at any depth.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter(|path| path.is_dir())
        .find_map(|path| if path.ends_with(name) { Some(path) } else { find(&path, name) })
}

#[test]
fn a_cache_that_cannot_be_used_is_told() {
    let folder = TempDir::new().unwrap();
    let named = |root: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eryx"));
        command.args(["run", "-c", "print(1)"]).env("ERYX_CACHE_DIR", root).output().unwrap()
    };
    let file = folder.path().join("a-file");
    fs::write(&file, "").unwrap();
    let output = named(&file);
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("cannot create the cache folder"), "{output:?}");

    let open = folder.path().join("compiled");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let output = named(folder.path());
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("others can write to it"), "{output:?}");
}
