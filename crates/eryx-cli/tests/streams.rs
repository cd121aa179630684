//! The program's output, as it is printed: its order, its readers, and its end.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn eryx(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eryx"));
    command.arg("run").args(arguments).stdin(Stdio::null());
    command
}

fn start(arguments: &[&str]) -> Child {
    // Whoever comes first compiles the runtime, and says so.
    assert!(eryx(&["-c", "None"]).output().unwrap().status.success());
    eryx(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn first_line(child: &mut Child) -> (String, impl Read + use<>) {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    (line, reader)
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn output_comes_as_it_is_printed_until_ctrl_c() {
    let code = "print('first', flush=True)\nwhile True: pass";
    let mut child = start(&["--timeout", "60", "-c", code]);
    let (line, _reader) = first_line(&mut child);
    assert_eq!(line, "first\n");
    let begun = Instant::now();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(output.stderr, b"eryx: interrupted\n");
}

#[test]
fn ctrl_c_leaves_a_report() {
    let folder = tempfile::TempDir::new().unwrap();
    let volume = format!("{}:/flag", folder.path().to_str().unwrap());
    let code = "print('first', flush=True)\nopen('/flag/up', 'w').close()\nwhile True: pass";
    let child = start(&["--json", "--timeout", "60", "-v", &volume, "-c", code]);
    while !folder.path().join("up").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "interrupted");
    assert_eq!(report["stdout"], "first\n");
}

#[test]
fn a_second_ctrl_c_ends_what_nobody_reads() {
    let code = "import os\nwhile True: os.write(1, b'x' * 2**20)";
    let mut child = start(&["--timeout", "60", "-c", code]);
    std::thread::sleep(Duration::from_millis(500));
    while child.try_wait().unwrap().is_none() {
        interrupt(&child);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn both_streams_keep_their_order() {
    let code = "import sys\nfor i in range(500):\n print(i, flush=True)\n \
                print(i, file=sys.stderr, flush=True)\n1/0";
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("both");
    let both = File::create(&path).unwrap();
    start(&["-c", "None"]).wait().unwrap();
    let both_too = both.try_clone().unwrap();
    eryx(&["-c", code]).stdout(both).stderr(both_too).status().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let expected: Vec<_> = (0..500).map(|i| format!("{i}\n{i}\n")).collect();
    let expected = expected.concat();
    let traceback = text.strip_prefix(&expected).unwrap_or_else(|| panic!("{text}"));
    assert!(traceback.starts_with("Traceback"), "{traceback}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = start(&["--timeout", "60", "-c", "while True: print('x' * 100)"]);
    let (line, reader) = first_line(&mut child);
    assert_eq!(line.len(), 101);
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(output.stderr, b"");
}

#[cfg(target_os = "linux")]
#[test]
fn streams_that_cannot_be_written_end_it_without_a_panic() {
    start(&["-c", "None"]).wait().unwrap();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = |arguments: &[&str]| {
        let status = eryx(arguments).stdout(Stdio::null()).stderr(full()).status();
        status.unwrap().code()
    };
    assert_eq!(status(&["/no/such"]), Some(74));
    assert_eq!(status(&["--no-such"]), Some(74));
    assert_eq!(status(&["-c", "1/0"]), Some(74));
    assert_eq!(status(&["-c", "import sys; print('x', file=sys.stderr)"]), Some(74));
    assert_eq!(status(&["--timeout", "0.1", "-c", "while True: pass"]), Some(74));
    assert_eq!(status(&["-c", "1"]), Some(0));
    let stdout = |arguments: &[&str]| {
        let output = eryx(arguments).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [&["-c", "print('x')"][..], &["--json", "-c", "1"]] {
        let (status, told) = stdout(arguments);
        assert_eq!(status, Some(74));
        assert!(told.starts_with("eryx: cannot write the output: "), "{told}");
    }
    assert_eq!(stdout(&["--help"]).0, Some(74));
}

/// The most memory of the program so far, in KiB.
#[cfg(target_os = "linux")]
fn most_memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn much_output_takes_no_memory() {
    let most = |mebibytes: usize| {
        let code = format!(
            "import os, time\nfor _ in range({mebibytes}): os.write(1, b'x' * 2**20)\ntime.sleep(60)"
        );
        let mut child = start(&["--output", "200", "--timeout", "100", "-c", &code]);
        let mut stdout = child.stdout.take().unwrap();
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..mebibytes {
            stdout.read_exact(&mut buffer).unwrap();
        }
        let most = most_memory(&child);
        child.kill().unwrap();
        child.wait().unwrap();
        most
    };
    let (little, much) = (most(10), most(100));
    assert!(much < little + (24 << 10), "{little} and {much} KiB");
}

/// The places for many interpreters would be 10 TiB.
#[cfg(target_os = "linux")]
#[test]
fn little_address_space_is_enough() {
    start(&["-c", "None"]).wait().unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 12000000; exec \"$0\" run -c 'print(1)'"])
        .arg(env!("CARGO_BIN_EXE_eryx"))
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"1\n", "{output:?}");
}
