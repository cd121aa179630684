use crate::interrupt::Interrupt;
use crate::printer::{Printed, Printer};
use crate::source::Source;
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
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<ExecutionOutput, Error>,
    /// What became of its output, if that was printed as it came.
    pub(crate) printed: Option<Printed>,
}

impl Job {
    pub(crate) fn run(self) -> Ended {
        match self.start() {
            Ok(ended) => ended,
            Err(error) => Ended { result: Err(Error::Instantiation(error.into())), printed: None },
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(run.run());
        interrupt.run_ended();
        // A look-up of a name that nobody waits for any more may take long.
        runtime.shutdown_background();
        Ok(Ended { result, printed: printer.map(Printer::finish) })
    }
}

/// What is printed as it comes need not be kept, unless it is counted to stop the
/// program.
fn kept_nowhere(limits: ResourceLimits) -> ResourceLimits {
    match limits.output_policy {
        OutputPolicy::Truncate => limits.with_output_bytes(0),
        _ => limits,
    }
}
