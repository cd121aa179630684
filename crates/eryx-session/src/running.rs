//! The runs of a session.

use crate::SessionExecutor;
use crate::copying::{copy, start};
use crate::undoing::Undoing;
use eryx_core::{Error, ExecutionOutput, Poison, RunOptions, RuntimeView, State};

impl<T: RuntimeView> SessionExecutor<T> {
    /// Runs a program and counts it.
    pub(crate) async fn run(
        &mut self,
        code: &str,
        options: &RunOptions,
    ) -> Result<ExecutionOutput, Error> {
        self.count += 1;
        let result = self.interpreter.execute(code, options).await;
        if result.as_ref().is_err_and(is_refusal) {
            self.count -= 1;
        }
        result
    }

    /// Runs a program; if it fails, nothing has happened.
    pub(crate) async fn run_or_undo(
        &mut self,
        code: &str,
        options: &RunOptions,
    ) -> Result<ExecutionOutput, Error> {
        let before = self.interpreter.capture(&aside(options)).await?;
        self.before = Some(before);
        let mut files = Undoing::of(self.interpreter.data_mut().map(RuntimeView::checkpoint));
        let error = match self.run(code, options).await {
            Err(error) if !is_refusal(&error) => error,
            ended => {
                files.keep();
                self.before = None;
                return ended;
            }
        };
        // Until all is as it was nobody may see what is there.
        self.interpreter.poison(Poison::NotUndone);
        drop(files);
        if let Err(cause) = self.undo().await {
            tracing::warn!(%cause, "a run that failed could not be undone");
        }
        Err(error)
    }

    /// Tries again to undo a [transactional](crate::SessionExecuteBuilder::transactional)
    /// run that could not be undone: the session is what it was before that, and ready.
    ///
    /// That can be if there was no place for another interpreter
    /// ([`Error::Full`]) or not the time, if the run's future was dropped, or this
    /// one's. What the session was is kept until this succeeds, or something else gives
    /// it another interpreter. Where there is nothing to undo nothing happens.
    ///
    /// # Errors
    /// [`Error::Closed`], and [`Error::Poisoned`] if it is not known what the session
    /// was; otherwise as [`restore_image`](Self::restore_image), and this can be tried
    /// again.
    pub async fn undo(&mut self) -> Result<(), Error> {
        let before = match &self.before {
            Some(before) if self.state() != State::Closed => before,
            _ => return self.interpreter.check(),
        };
        let mut options = aside(&self.options);
        // The run's time, and who cancelled it, have nothing to do with this.
        let limits = &mut options.limits;
        limits.timeout = limits.restore_timeout.or(limits.timeout);
        limits.fuel = self.interpreter.is_metered().then_some(u64::MAX);
        options.cancellation = None;
        let executor = self.interpreter.executor();
        let interpreter = copy(executor, before, None, true, &options).await?;
        self.put(interpreter);
        Ok(())
    }

    /// Fuel is counted by another engine: moves there, with everything, before
    /// something is done that asks for it. All of that is in the time that `options`
    /// give; if it does not get there, the session is where it was.
    pub(crate) async fn meter(&mut self, options: &RunOptions) -> Result<(), Error> {
        if options.limits.fuel.is_none() || self.interpreter.is_metered() {
            return Ok(());
        }
        // Most runs do not come here: their futures need no room for it.
        Box::pin(self.move_to_count(options)).await
    }

    async fn move_to_count(&mut self, options: &RunOptions) -> Result<(), Error> {
        options.limits.check()?;
        self.interpreter.check()?;
        let moving = aside(options);
        let mut metered = start(self.interpreter.executor(), &moving).await?;
        self.interpreter.fork_into(&mut metered, true, &moving).await?;
        self.put(metered);
        Ok(())
    }
}

/// What holds while an interpreter is copied: no program runs that could be asked to
/// end, or that uses fuel.
pub(crate) fn aside(options: &RunOptions) -> RunOptions {
    let mut options = options.clone();
    options.limits.soft_timeout = None;
    options.limits.fuel = options.limits.fuel.map(|_| u64::MAX);
    options
}

/// Whether the program did not even begin.
fn is_refusal(error: &Error) -> bool {
    error.output().is_none()
}
