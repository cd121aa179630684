//! Runs other programs: their output goes to a log, its end into the error.

use crate::progress::Meter;
use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// How many lines of a failed program's output its error shows.
const SHOWN: usize = 15;

/// Runs `command` with its output in `log`; the meter follows the number of
/// lines towards `expected_lines`.
pub(crate) fn run(
    command: &mut Command,
    log: &Path,
    meter: &Meter,
    expected_lines: u32,
) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start `{name}`: is it installed?"))?;
    // The command keeps the pipe's writing ends open otherwise.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut last = VecDeque::new();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    let mut count = 0_u32;
    while lines.read_until(b'\n', &mut line)? > 0 {
        file.write_all(&line).context("cannot write the log: is the disk full?")?;
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line).into_owned());
        line.clear();
        count += 1;
        meter.set(f64::from(count) / f64::from(expected_lines.max(1)));
    }
    let status = child.wait()?;
    if !status.success() {
        let tail: String = last.into_iter().collect();
        bail!(
            "`{name}` failed ({status}); its output is in {}, which ends:\n{tail}",
            log.display()
        );
    }
    Ok(())
}

/// Runs `command` and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{name}`: is it installed?"))?;
    if !output.status.success() {
        bail!("`{name}` failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
