//! The examples of the facade, as a user would run them.

use crate::servers::{self, Peer, program};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Cargo puts examples beside the folder of this test.
fn example(name: &str) -> Command {
    let folder = env::current_exe().unwrap();
    let folder = folder.parent().and_then(Path::parent).unwrap().join("examples");
    Command::new(folder.join(name).with_extension(env::consts::EXE_EXTENSION))
}

fn run(name: &str, arguments: &[&str]) -> Output {
    example(name).args(arguments).env("SESSION_KEY", KEY).output().unwrap()
}

fn stdout(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn file_in(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

#[test]
fn snapshot_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder, "session.snapshot");
    let arguments = [path.to_str().unwrap()];
    assert_eq!(stdout("snapshot_file", &arguments), "1\n");
    assert_eq!(stdout("snapshot_file", &arguments), "2\n");
    // A damaged one is told, and stays for whoever wants to look at it.
    std::fs::write(&path, "no snapshot").unwrap();
    let refused = run("snapshot_file", &arguments);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("session.snapshot cannot be used"));
    assert_eq!(std::fs::read(&path).unwrap(), b"no snapshot");
}

#[test]
fn snapshot_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder, "sessions.db");
    let path = path.to_str().unwrap();
    for (name, expected) in [("anna", "1\n"), ("bert", "1\n"), ("anna", "2\n"), ("anna", "3\n")] {
        assert_eq!(stdout("snapshot_sqlite", &[path, name]), expected);
    }
}

#[test]
fn snapshot_redis() {
    let Some(redis) = program("redis-server") else { return };
    let peer = Peer::start(|port, _| {
        let mut command = servers::command(&redis);
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        command
    });
    let url = format!("redis://127.0.0.1:{}/", peer.port);
    assert_eq!(stdout("snapshot_redis", &[&url, "one"]), "1\n");
    assert_eq!(stdout("snapshot_redis", &[&url, "one"]), "2\n");
    assert_eq!(stdout("snapshot_redis", &[&url, "other"]), "1\n");
    // Who does not have the key cannot have made it.
    for key in [KEY.chars().rev().collect::<String>(), "short".to_owned()] {
        let mut foreign = example("snapshot_redis");
        let ended = foreign.args([&url, "one"]).env("SESSION_KEY", &key).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let reason = if key.len() == 32 { "cannot be used" } else { "must have 32 bytes" };
        assert!(!ended.status.success() && said.contains(reason), "{said}");
    }
}
