//! The runs of a session.

use crate::SessionExecutor;
use crate::saving::restoring;
use crate::session::copy;
use eryx_core::{Error, ExecutionOutput, Poison, RunOptions, RuntimeView, Undo};

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
        let before = self.interpreter.capture(&self.options).await?;
        let undo = self.interpreter.data_mut().map(RuntimeView::checkpoint);
        let mut undoing = Undoing(undo);
        let error = match self.run(code, options).await {
            Err(error) if !is_refusal(&error) => error,
            ended => {
                undoing.0 = None;
                return ended;
            }
        };
        // Until all is as it was nobody may see what is there.
        self.interpreter.poison(Poison::NotUndone);
        drop(undoing);
        let executor = self.interpreter.executor().clone();
        match copy(&executor, &before, true, &restoring(&self.options)).await {
            Ok(interpreter) => self.interpreter = interpreter,
            Err(cause) => tracing::warn!(%cause, "a run that failed could not be undone"),
        }
        Err(error)
    }

    /// Fuel is counted by another engine: moves there, with everything, before the
    /// first run that asks for it.
    pub(crate) async fn meter(&mut self, options: &RunOptions) -> Result<(), Error> {
        if options.limits.fuel.is_none() || self.interpreter.is_metered() {
            return Ok(());
        }
        options.limits.check()?;
        let image = self.interpreter.capture(&self.options).await?;
        let mut moving = restoring(&self.options);
        moving.limits.fuel = Some(u64::MAX);
        let executor = self.interpreter.executor().clone();
        self.interpreter = copy(&executor, &image, true, &moving).await?;
        Ok(())
    }
}

/// Whether the program did not even begin.
fn is_refusal(error: &Error) -> bool {
    error.output().is_none()
}

/// Puts files back when it is dropped, also where a future is dropped in the midst
/// of a run.
struct Undoing(Option<Undo>);

impl Drop for Undoing {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}
