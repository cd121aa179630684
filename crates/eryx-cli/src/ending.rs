//! How a run ended, for the user: what is said, and the exit status.

use crate::escape::for_terminal;
use crate::exit::Exit;
use crate::job::Ended;
use crate::report::Report;
use crate::say::{Refusal, complain, say};
use eryx::{Error, ExecutionOutput, PythonException};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Tells what there was no run for.
pub(crate) fn refuse(refusal: &Refusal, json: bool) -> ExitCode {
    let exit = complain(refusal.exit, &refusal.message);
    if json {
        let nothing = ExecutionOutput::default();
        let report = Report::refused(refusal, &nothing);
        if let Err(error) = print_json(&report) {
            return unwritten(&error).into();
        }
    }
    exit.into()
}

/// Tells how a run ended.
pub(crate) fn tell(ended: &Ended, json: bool) -> ExitCode {
    let (output, error) = match &ended.result {
        Ok(output) => (output, None),
        Err(error) => match error.output() {
            Some(output) => (output, Some(error)),
            None => return refuse(&Refusal::new(exit_of(error), chain(error)), json),
        },
    };
    if let Some(failed) = ended.printed.as_ref().and_then(|printed| printed.failed.as_ref()) {
        return unwritten(failed).into();
    }
    let status = match error {
        Some(error) => exit_of(error).status(),
        // A process keeps eight bits of its status.
        None => output.exit_status.to_le_bytes()[0],
    };
    let told = if json {
        let outcome = match error {
            None if output.exit_status == 0 => "ok",
            None => "exit",
            Some(error) => kind(error),
        };
        let exit_status = if error.is_some() { status.into() } else { output.exit_status };
        print_json(&Report::new(outcome, exit_status, output, error))
    } else {
        print_end(ended, error)
    };
    if let Err(error) = told.and_then(|()| tell_of_trace(output)) {
        return unwritten(&error).into();
    }
    match &ended.untraced {
        Some(message) => complain(Exit::NoOutput, message).into(),
        None => ExitCode::from(status),
    }
}

/// Says so if the trace is not all that the program did.
fn tell_of_trace(output: &ExecutionOutput) -> io::Result<()> {
    if output.truncated.trace {
        let kept = output.trace.len();
        return say(format!("the trace was cut: it has the first {kept} events"));
    }
    Ok(())
}

/// Whoever read our output has enough, as with `| head`: that is quiet.
fn unwritten(error: &io::Error) -> Exit {
    match Exit::unwritten(error) {
        Exit::ReaderGone => Exit::ReaderGone,
        exit => complain(exit, format!("cannot write the output: {error}")),
    }
}

fn print_json(report: &Report<'_>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, report)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// What comes after the program's own output.
fn print_end(ended: &Ended, error: Option<&Error>) -> io::Result<()> {
    if let Some(printed) = &ended.printed {
        for (name, cut) in [("output", printed.stdout_cut), ("errors", printed.stderr_cut)] {
            if cut {
                say(format!("the program's {name} were cut at the limit: see --output"))?;
            }
        }
    }
    match error {
        Some(Error::Execution(exception)) => print_traceback(exception),
        Some(Error::Cancelled(_)) => say("interrupted"),
        Some(error) => say(chain(error)),
        None => Ok(()),
    }
}

fn print_traceback(exception: &PythonException) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        return stderr.write_all(for_terminal(&exception.traceback).as_bytes());
    }
    stderr.write_all(exception.traceback.as_bytes())
}

pub(crate) fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Execution(_) => Exit::Raised,
        Error::Timeout(_) => Exit::Timeout,
        Error::Memory(_) | Error::Stack(_) | Error::Output(_) | Error::FuelExhausted { .. } => {
            Exit::Limit
        }
        Error::Cancelled(_) => Exit::Interrupted,
        Error::Config(_) => Exit::Usage,
        Error::RuntimeMissing
        | Error::Initialization { .. }
        | Error::Compiled(_)
        | Error::CacheUntrusted { .. }
        | Error::File { .. } => Exit::NoRuntime,
        _ => Exit::Internal,
    }
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Execution(_) => "exception",
        Error::Timeout(_) => "timeout",
        Error::Memory(_) => "memory",
        Error::Stack(_) => "stack",
        Error::Output(_) => "output",
        Error::FuelExhausted { .. } => "fuel",
        Error::Cancelled(_) => "interrupted",
        _ => "trap",
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        parts.push(error.to_string());
        cause = error.source();
    }
    for_terminal(&parts.join(": "))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use eryx::{RuntimeSource, Sandbox};

    #[test]
    fn a_runtime_that_cannot_be_used() {
        let missing = Error::RuntimeMissing;
        assert_eq!(exit_of(&missing).status(), 78);
        assert!(chain(&missing).contains("run `cargo xtask build-runtime`"));
        let unreadable = RuntimeSource::from_file("/no/such").unwrap_err();
        assert_eq!(exit_of(&unreadable).status(), 78);
        let damaged = RuntimeSource::from_bytes(&b"nonsense"[..]);
        let damaged = Sandbox::builder().runtime(damaged).instances(1).build().unwrap_err();
        assert_eq!(exit_of(&damaged).status(), 78);
        assert!(chain(&damaged).contains("is damaged"), "{}", chain(&damaged));
    }
}
