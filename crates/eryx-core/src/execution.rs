use crate::run::ExecuteBuilder;
use crate::view::RuntimeView;
use crate::{Error, ExecutionOutput, Stopped};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A run that goes on by itself and can be cancelled.
///
/// Dropping it cancels the run.
#[derive(Debug)]
#[must_use = "dropping it cancels the run"]
pub struct Execution {
    task: JoinHandle<Result<ExecutionOutput, Error>>,
    token: CancellationToken,
    _cancels: DropGuard,
}

impl Execution {
    pub(crate) fn start<T: RuntimeView>(builder: ExecuteBuilder<T>) -> Self {
        let outer = builder.cancellation().cloned().unwrap_or_default();
        // Cancelling this run must not cancel what else hangs on that token.
        let token = outer.child_token();
        let task = tokio::spawn(builder.with_cancellation(token.clone()).run());
        Self { task, _cancels: token.clone().drop_guard(), token }
    }

    /// Asks the run to end. It does within some 10 ms; [`wait`](Self::wait)
    /// returns when it has. Cancelling twice, or too late, does nothing.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Something to cancel the run with from elsewhere.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Whether the run has not ended yet.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Waits for the end. When this returns nothing of the run goes on, with one
    /// exception: a callback that blocks its thread cannot be stopped, and is waited
    /// for no longer than 100 ms.
    ///
    /// # Errors
    /// As [`ExecuteBuilder::run`]; [`Error::Cancelled`] if it was cancelled
    /// before it ended by itself.
    pub async fn wait(mut self) -> Result<ExecutionOutput, Error> {
        match (&mut self.task).await {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The tokio runtime was shut down.
            Err(_) => Err(Error::Cancelled(Stopped::new((), ExecutionOutput::default()))),
        }
    }
}
