//! Runs other programs: their output goes to a log, its end into the error.

use crate::failure::Failure;
use crate::progress::Meter;
use anyhow::{Context, Error, Result, bail};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// How many lines of a failed program's output its error shows.
const SHOWN: usize = 15;

/// A program that did not end well.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` failed ({status}); its output is in {}, which ends:\n{tail}", log.display())]
pub(crate) struct Failed {
    name: String,
    pub(crate) status: ExitStatus,
    log: PathBuf,
    pub(crate) tail: String,
}

/// Runs `command` with its output in `log`; the meter follows the number of
/// lines towards `expected_lines`.
pub(crate) fn run(
    command: &mut Command,
    log: &Path,
    meter: &Meter,
    expected_lines: u32,
) -> Result<()> {
    let name = name(command);
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let (reader, writer) = io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .map_err(|error| not_started(&name, error))?;
    // The command keeps the pipe's writing ends open otherwise.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let copied = copy(reader, file, meter, expected_lines);
    if copied.is_err() {
        // Nobody reads any more what it prints.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let tail = copied.context("cannot write the log")?;
    if !status.success() {
        return Err(Failed { name, status, log: log.to_owned(), tail }.into());
    }
    Ok(())
}

/// Copies what is printed to the log; returns the last lines.
fn copy(from: PipeReader, mut log: File, meter: &Meter, expected_lines: u32) -> io::Result<String> {
    let mut last = VecDeque::new();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    let mut count = 0_u32;
    while lines.read_until(b'\n', &mut line)? > 0 {
        log.write_all(&line)?;
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line).into_owned());
        line.clear();
        count += 1;
        meter.set(f64::from(count) / f64::from(expected_lines.max(1)));
    }
    Ok(last.into_iter().collect())
}

/// Runs `command` and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = name(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| not_started(&name, error))?;
    if !output.status.success() {
        bail!("`{name}` failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Why a program does not run, by name.
pub(crate) fn not_started(name: &str, error: io::Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Failure::MissingTool(format!("`{name}`")).into();
    }
    Error::new(error).context(format!("cannot start `{name}`"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Failed, run};
    use crate::failure::Failure;
    use crate::progress::Meter;
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn shell(script: &str, log: &Path) -> anyhow::Result<()> {
        run(Command::new("sh").args(["-c", script]), log, &Meter::silent(), 1)
    }

    #[test]
    fn a_failed_program_shows_how_its_output_ends() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let error = shell("seq 100; exit 65", &log).unwrap_err();
        let failed = error.downcast_ref::<Failed>().unwrap();
        assert_eq!(failed.status.code(), Some(65));
        assert!(failed.tail.starts_with("86\n") && failed.tail.ends_with("100\n"));
        assert!(std::fs::read_to_string(&log).unwrap().starts_with("1\n2\n"));
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("no-such-program");
        let error = run(&mut command, &folder.path().join("log"), &Meter::silent(), 1).unwrap_err();
        assert_eq!(Failure::of(&error), Some(Failure::MissingTool("`no-such-program`".into())));
    }

    #[test]
    fn a_log_that_cannot_be_written_ends_the_program() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let start = Instant::now();
        let error = shell("echo x; exec sleep 60", Path::new("/dev/full")).unwrap_err();
        assert_eq!(Failure::of(&error), Some(Failure::FullDisk));
        assert!(start.elapsed() < Duration::from_secs(30), "it waited for the program");
    }
}
