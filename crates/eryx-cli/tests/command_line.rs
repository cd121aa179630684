//! The `eryx` program, run as a user would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The program that Cargo built for these tests.
const PROGRAM: &str = env!("CARGO_BIN_EXE_eryx");

/// The repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn eryx(arguments: &[&str]) -> Output {
    with_input(arguments, b"")
}

fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs with these arguments, which must fail so and say so.
fn fails(arguments: &[&str], status: i32, message: &str) {
    let output = eryx(arguments);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}

fn file(folder: &TempDir, name: &str, content: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn runs_code_files_and_standard_input() {
    let output = eryx(&["run", "-c", "import sys\nprint('hi', sys.argv)", "a", "--json"]);
    assert_eq!(text(&output.stdout), "hi ['-c', 'a', '--json']\n");
    assert_eq!(output.status.code(), Some(0));

    let output = with_input(&["run", "-", "x"], b"import sys\nprint(sys.argv)");
    assert_eq!(text(&output.stdout), "['-', 'x']\n");

    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.py", b"import sys\nprint(sys.argv[1:], __file__ == sys.argv[0])");
    let output = eryx(&["run", &path, "-x", "--timeout", "3"]);
    assert_eq!(text(&output.stdout), "['-x', '--timeout', '3'] True\n");
}

#[test]
fn exit_statuses_are_the_programs() {
    assert_eq!(eryx(&["run", "-c", "import sys; sys.exit(3)"]).status.code(), Some(3));
    assert_eq!(eryx(&["run", "-c", "import sys; sys.exit(-1)"]).status.code(), Some(255));
}

#[test]
fn a_script_that_raises() {
    // Whoever comes first compiles the runtime, and says so.
    eryx(&["run", "-c", "None"]);
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "bad.py", b"print('first')\n1 / 0\n");
    let output = eryx(&["run", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "first\n");
    let traceback = text(&output.stderr);
    assert!(traceback.starts_with("Traceback (most recent call last):\n"), "{traceback}");
    assert!(traceback.ends_with("ZeroDivisionError: division by zero\n"), "{traceback}");
}

#[test]
fn limits_have_statuses_of_their_own() {
    let output = eryx(&["run", "--timeout", "0.3", "-c", "print('a', flush=True)\nwhile 1: pass"]);
    assert_eq!(output.status.code(), Some(124));
    assert_eq!(text(&output.stdout), "a\n");
    assert!(text(&output.stderr).contains("300ms"), "{}", text(&output.stderr));

    let output = eryx(&["run", "--memory", "64", "-c", "bytearray(10**8)"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("MemoryError\n"));
    fails(&["run", "--memory", "1", "-c", "1"], 2, "less than the interpreter needs");
}

#[test]
fn sources_that_cannot_be_run() {
    let folder = TempDir::new().unwrap();
    fails(&["run", "/no/such/file.py"], 66, "cannot read /no/such/file.py");
    fails(&["run", folder.path().to_str().unwrap()], 66, "cannot read");
    let path = file(&folder, "latin.py", b"x = 1\ny = '\xe9'\n");
    fails(&["run", &path], 65, "is not UTF-8: line 2 holds the byte 0xe9");
    let path = file(&folder, "nul.py", b"x = 1\ny = '\0'\n");
    fails(&["run", &path], 65, "holds a NUL byte in line 2");
    fails(&["run"], 2, "name a file to run");
    fails(&["run", "--timeout", "soon", "-c", "1"], 2, "a number of seconds");
    fails(&["walk"], 2, "walk");
}

#[test]
fn a_file_that_may_not_be_read() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "secret.py", b"print(1)");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read(&path).is_ok() {
            return; // The superuser may read everything.
        }
        fails(&["run", &path], 66, "cannot read");
    }
}

#[test]
fn json_reports_everything() {
    let output = eryx(&["run", "--json", "-c", "print('a')\n{'x': 10**30}"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "ok");
    assert_eq!(report["stdout"], "a\n");
    assert!(text(&output.stdout).contains(&format!(r#""result":{{"x": 1{}}}"#, "0".repeat(30))));
    assert_eq!(output.status.code(), Some(0));

    let output = eryx(&["run", "--json", "-c", "print('a')\n1/0"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "exception");
    assert_eq!(report["stdout"], "a\n");
    assert_eq!(report["error"]["exception"], "ZeroDivisionError");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "");

    let output = eryx(&["run", "--json", "--timeout", "0.2", "-c", "while True: pass"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "timeout");
    assert_eq!(output.status.code(), Some(124));
}

#[test]
fn bytes_pass_unchanged_to_a_pipe() {
    let output = eryx(&["run", "-c", "import os\nos.write(1, b'\\xff\\x1b[31m')"]);
    assert_eq!(output.stdout, b"\xff\x1b[31m");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(PROGRAM)
        .args(["run", "-c", "print('a' * 100_000)"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(text(&output.stderr).contains("cannot write the output"));
}

#[test]
fn a_cache_that_cannot_be_used_is_told() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "not-a-folder", b"");
    let output = Command::new(PROGRAM)
        .args(["run", "-c", "print(1)"])
        .env("ERYX_CACHE_DIR", &path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("cannot create the cache folder"));
}

#[test]
fn the_readme_s_example_runs() {
    let path = repository().join("examples/hello.py");
    let output = eryx(&["run", path.to_str().unwrap(), "World"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("Hello, World"));
}

#[test]
fn reaches_allowed_hosts_only() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let code = format!(
        "import socket\ntry: print(socket.create_connection(('127.0.0.1', {})))\n\
         except PermissionError: print('refused')",
        listener.local_addr().unwrap().port()
    );
    assert_eq!(text(&eryx(&["run", "-c", &code]).stdout), "refused\n");
    let output = eryx(&["run", "--allow-host", &address, "-c", &code]);
    assert!(text(&output.stdout).starts_with("<socket.socket fd="), "{output:?}");
    fails(&["run", "--allow-host", "http://a", "-c", "1"], 2, "`http://a` does not end in ports");
}
