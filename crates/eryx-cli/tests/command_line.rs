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
fn what_the_program_did_is_written_to_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("trace.json");
    let path = path.to_str().unwrap();
    let raises = "def work(): raise ValueError('x')\nwork()";
    let spins = "def work(): 1\nwork()\nwhile 1: pass";
    for (arguments, code, status) in
        [(&["--json"][..], raises, 1), (&[], raises, 1), (&["--timeout", "0.5"], spins, 124)]
    {
        let output = eryx(&[&["run", "--trace", path], arguments, &["-c", code]].concat());
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let trace: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let began = |event: &&serde_json::Value| event["ph"] == "B" && event["name"] == "work";
        assert_eq!(events.iter().filter(began).count(), 1, "{trace}");
        assert!(events.iter().all(|event| event["ph"] == "M" || event["ts"].as_f64().is_some()));
    }
    let output = eryx(&["run", "--trace", path, "-c", "for _ in range(60_000): (lambda: 1)()"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("the first 100000 events"), "{output:?}");
}

#[test]
fn a_trace_that_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    fails(&["run", "--trace", path, "-c", "print(1)"], 74, "cannot write");
    if cfg!(target_os = "linux") {
        let output = eryx(&["run", "--trace", "/dev/full", "-c", "print(1)"]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(74), "1\n"));
        assert!(text(&output.stderr).contains("cannot write /dev/full"), "{output:?}");
    }
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

/// Not even by the superuser.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("loop.py");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    fails(&["run", path.to_str().unwrap()], 66, "cannot read");
}

#[cfg(unix)]
#[test]
fn a_source_without_end_is_not_read_to_the_end() {
    fails(&["run", "/dev/zero"], 65, "is too large for a program");
    let output = Command::new(PROGRAM)
        .args(["run", "-"])
        .stdin(fs::File::open("/dev/zero").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(65));
}

/// As in CPython.
#[test]
fn all_after_the_code_is_the_programs() {
    let code = "import sys; print(sys.argv)";
    for arguments in [&["-c", code][..], &[&format!("-c{code}")]] {
        let after = ["--json", "x", "--", "-cy", "--timeout", "--help"];
        let output = eryx(&[&["run", "--timeout", "5"], arguments, &after].concat());
        let expected = "['-c', '--json', 'x', '--', '-cy', '--timeout', '--help']\n";
        assert_eq!(text(&output.stdout), expected, "{output:?}");
    }
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.py", code.as_bytes());
    let output = eryx(&["run", &path, "--json", "-cx"]);
    assert!(text(&output.stdout).ends_with("a.py', '--json', '-cx']\n"), "{output:?}");
}

#[test]
fn an_option_that_is_none_is_no_file() {
    let output = eryx(&["run", "--tiemout", "3", "a.py"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("'--timeout'"), "{}", text(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"\xff.py");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), "print('ran')").unwrap();
    let run = |argument: &str| {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(name).current_dir(folder.path());
        if !argument.is_empty() {
            command.arg(std::ffi::OsStr::from_bytes(b"\xfe"));
        }
        command.output().unwrap()
    };
    assert_eq!(text(&run("").stdout), "ran\n");
    let output = run("an argument");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("argument 1 of the program is not UTF-8"));
}

#[test]
fn programs_without_a_file_are_named_as_in_cpython() {
    let code = "import sys\nprint(sys.argv, sys._getframe().f_code.co_filename)";
    assert_eq!(text(&eryx(&["run", "-c", code]).stdout), "['-c'] <string>\n");
    let output = with_input(&["run", "-"], code.as_bytes());
    assert_eq!(text(&output.stdout), "['-'] <stdin>\n");
}

#[test]
fn the_environment_has_what_was_given() {
    let code = "import os\nprint(os.environ['A'], os.environ['B'], 'PATH' in os.environ)";
    let output = Command::new(PROGRAM)
        .args(["run", "--env", "A=x=y", "--env", "B", "-c", code])
        .env("B", "z")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "x=y z False\n");
    fails(&["run", "--env", "NOT_SET_ANYWHERE", "-c", "1"], 2, "it is not set here");
}

#[test]
fn modules_come_from_a_volume() {
    let folder = TempDir::new().unwrap();
    file(&folder, "helper.py", b"VALUE = 42");
    let code = b"import sys\nsys.path.insert(0, '/proj')\nimport helper\nprint(helper.VALUE)";
    let path = file(&folder, "main.py", code);
    let volume = format!("{}:/proj:ro", folder.path().to_str().unwrap());
    let output = eryx(&["run", "-v", &volume, &path]);
    assert_eq!(text(&output.stdout), "42\n", "{output:?}");
    assert_eq!(eryx(&["run", &path]).status.code(), Some(1));
}

#[test]
fn limits_can_be_set() {
    let run = |option: &str, value: &str, code: &str| eryx(&["run", option, value, "-c", code]);
    let output = run("--soft-timeout", "0.2", "while True: pass");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("TimeoutError"), "{output:?}");
    let output = run("--files", "64K", "open('/tmp/a', 'wb').write(bytes(100_000))");
    assert!(text(&output.stderr).contains("OSError"), "{output:?}");
    let output = run("--traceback", "1K", "raise ValueError('x' * 10_000)");
    assert!(output.stderr.len() < 1500, "{output:?}");
    fails(&["run", "--memory", "lots", "-c", "1"], 2, "a number of MiB is wanted");

    let printed = "print('x' * 3000, flush=True); print('y', flush=True)";
    let output = run("--output", "2K", printed);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, [b'x'; 2048]);
    assert!(text(&output.stderr).contains("the program's output were cut"), "{output:?}");
    let output = eryx(&["run", "--output", "2K", "--output-policy", "stop", "-c", printed]);
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(output.stdout, [b'x'; 2048]);
}

#[test]
fn an_interpreter_that_breaks() {
    let output = eryx(&["run", "-c", "import os; os.abort()"]);
    assert_eq!(output.status.code(), Some(70));
    assert!(text(&output.stderr).contains("the interpreter crashed"));
}

#[test]
fn help_and_readme_tell_every_status() {
    let help = eryx(&["run", "--help"]);
    let help = text(&help.stdout);
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    for status in [1, 2, 65, 66, 70, 74, 78, 124, 125, 130, 141] {
        assert!(help.contains(&format!("  {status}  ")), "--help lacks {status}");
        assert!(readme.contains(&format!("{status} ")), "README lacks {status}");
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

    for (arguments, outcome, status) in [
        (&["/no/such"][..], "source", 66),
        (&["--memory", "1", "-c", "1"], "usage", 2),
        (&["--env", "=x", "-c", "1"], "usage", 2),
    ] {
        let output = eryx(&[&["run", "--json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["outcome"], outcome);
        assert_eq!(report["exit_status"], status);
        assert_eq!(output.status.code(), Some(status));
        let message = report["error"]["message"].as_str().unwrap();
        assert_eq!(text(&output.stderr), format!("eryx: {message}\n"));
    }

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
