use crate::interrupt::Interrupt;
use crate::printer::{Printed, Printer};
use crate::source::Source;
use crate::trace::TraceFile;
use eryx::{CancellationToken, Error, ExecutionOutput, OutputPolicy, ResourceLimits, Sandbox};

/// A program and all that it is given, ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) sandbox: Sandbox,
    pub(crate) source: Source,
    pub(crate) code: String,
    pub(crate) limits: ResourceLimits,
    /// Whether its output is printed as it comes, or kept for the report.
    pub(crate) streamed: bool,
    /// Where what it did is written to, if it is.
    pub(crate) trace: Option<TraceFile>,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<ExecutionOutput, Error>,
    /// What became of its output, if that was printed as it came.
    pub(crate) printed: Option<Printed>,
    /// Why what it did could not be written.
    pub(crate) untraced: Option<String>,
}

impl Job {
    pub(crate) fn run(self) -> Ended {
        match self.start() {
            Ok(ended) => ended,
            Err(error) => {
                let result = Err(Error::Instantiation(error.into()));
                Ended { result, printed: None, untraced: None }
            }
        }
    }

    fn start(self) -> std::io::Result<Ended> {
        let token = CancellationToken::new();
        let interrupt = Interrupt::listen(token.clone())?;
        let mut run = self
            .sandbox
            .prepare(self.code)
            .with_argv0(self.source.argv0())
            .with_cancellation(token.clone());
        let mut printer = None;
        if self.streamed {
            let (sender, started) = Printer::start(self.limits.stdout_bytes, token)?;
            run = run.with_limits(kept_nowhere(self.limits)).with_output_streaming(sender);
            printer = Some(started);
        }
        if self.trace.is_some() {
            run = run.with_trace(TraceFile::options());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(run.run());
        interrupt.run_ended();
        // A look-up of a name that nobody waits for any more may take long.
        runtime.shutdown_background();
        let untraced = self.trace.and_then(|file| file.write(left_by(&result)?).err());
        Ok(Ended { result, printed: printer.map(Printer::finish), untraced })
    }
}

/// What a run has left, if it began.
fn left_by(result: &Result<ExecutionOutput, Error>) -> Option<&ExecutionOutput> {
    result.as_ref().map_or_else(Error::output, Some)
}

/// What is printed as it comes need not be kept, unless it is counted to stop the
/// program.
fn kept_nowhere(limits: ResourceLimits) -> ResourceLimits {
    match limits.output_policy {
        OutputPolicy::Truncate => limits.with_output_bytes(0),
        _ => limits,
    }
}
