//! Sessions that are saved, restored, and copied.

use crate::SessionExecutor;
use crate::image::PythonImageSnapshot;
use crate::session::{copy, start};
use crate::snapshot::{PythonStateSnapshot, SnapshotOptions};
use eryx_core::{Error, Omission, PythonExecutor, RunOptions, RuntimeView, State};
#[cfg(doc)]
use eryx_core::{Interpreter, SnapshotError};

/// Those that hold while a session is restored.
pub(crate) fn restoring(options: &RunOptions) -> RunOptions {
    let limits = options.limits.for_restoring();
    let mut options = options.clone();
    options.limits = limits;
    options
}

impl<T: RuntimeView> SessionExecutor<T> {
    /// Starts a session as the image was captured of another: variables,
    /// generators, tasks, everything in its memory. Its random numbers are
    /// others.
    ///
    /// # Errors
    /// As [`Interpreter::assume`].
    pub async fn from_image(
        executor: PythonExecutor<T>,
        image: &PythonImageSnapshot,
        options: RunOptions,
    ) -> Result<Self, Error> {
        let executor = T::for_session(executor);
        let restoring = restoring(&options);
        let interpreter = copy(&executor, image.image(), false, &restoring).await?;
        Ok(Self { interpreter, options, count: image.runs() })
    }

    /// A second session that goes on from where this one is; both know nothing of
    /// each other from here on. What they share is what the executor's states
    /// share. Its random numbers are others.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`] and [`Interpreter::fork_into`]; this session is
    /// as it was.
    pub async fn fork(&mut self) -> Result<Self, Error> {
        let executor = self.interpreter.executor().clone();
        let executor = match self.interpreter.data_mut() {
            Some(data) => data.for_fork(executor),
            // It cannot be forked, and that is told next.
            None => executor,
        };
        self.fork_into(executor).await
    }

    /// As [`fork`](Self::fork), with another executor of the same runtime: other
    /// files, say.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub async fn fork_into(&mut self, executor: PythonExecutor<T>) -> Result<Self, Error> {
        self.interpreter.check()?;
        let mut interpreter = start(&executor, &self.options).await?;
        self.interpreter.fork_into(&mut interpreter, &restoring(&self.options)).await?;
        Ok(Self { interpreter, options: self.options.clone(), count: self.count })
    }

    /// Saves all variables by value, functions and classes too.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if something cannot be saved, with its name, or if it
    /// is too much; the session is as it was.
    pub async fn snapshot_state(&mut self) -> Result<PythonStateSnapshot, Error> {
        let (snapshot, _) = self.snapshot_state_with(&SnapshotOptions::default()).await?;
        Ok(snapshot)
    }

    /// As [`snapshot_state`](Self::snapshot_state), with a choice; answers too
    /// with what was left out.
    ///
    /// # Errors
    /// As [`snapshot_state`](Self::snapshot_state).
    pub async fn snapshot_state_with(
        &mut self,
        options: &SnapshotOptions,
    ) -> Result<(PythonStateSnapshot, Vec<Omission>), Error> {
        let runtime = self.interpreter.executor().runtime_id();
        let (data, omitted) = self
            .interpreter
            .save(options.bytes(), options.skip_unsaveable, options.files, &self.options)
            .await?;
        Ok((PythonStateSnapshot::new(data, runtime), omitted))
    }

    /// Puts a snapshot's variables in the place of those that there are. A
    /// poisoned session gets a new interpreter first, and is ready again.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it does not fit; the session is as it was.
    pub async fn restore_state(&mut self, snapshot: &PythonStateSnapshot) -> Result<(), Error> {
        snapshot.check().map_err(Error::Snapshot)?;
        if !matches!(self.state(), State::Poisoned(_)) {
            return self.interpreter.restore(snapshot.data(), &restoring(&self.options)).await;
        }
        self.restore_state_anew(snapshot).await
    }

    /// As [`restore_state`](Self::restore_state), always into a new interpreter:
    /// nothing else of the old one is left.
    ///
    /// # Errors
    /// As [`restore_state`](Self::restore_state), and [`Error::Closed`].
    pub async fn restore_state_anew(
        &mut self,
        snapshot: &PythonStateSnapshot,
    ) -> Result<(), Error> {
        snapshot.check().map_err(Error::Snapshot)?;
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let executor = self.interpreter.executor().clone();
        let mut fresh = start(&executor, &self.options).await?;
        fresh.restore(snapshot.data(), &restoring(&self.options)).await?;
        self.interpreter = fresh;
        Ok(())
    }

    /// Saves all of the session: see [`PythonImageSnapshot`].
    ///
    /// # Errors
    /// As [`Interpreter::capture`]; [`SnapshotError::TooLarge`] if it is more than
    /// [`MAX_IMAGE_SIZE`](crate::MAX_IMAGE_SIZE).
    pub async fn snapshot_image(&mut self) -> Result<PythonImageSnapshot, Error> {
        let image = self.interpreter.capture(&self.options).await?;
        PythonImageSnapshot::new(image, self.count)
    }

    /// Makes this session what it, or another, was when the image was captured,
    /// with other random numbers. A poisoned one is ready again.
    ///
    /// # Errors
    /// As [`from_image`](Self::from_image), and [`Error::Closed`]; the session is
    /// as it was.
    pub async fn restore_image(&mut self, image: &PythonImageSnapshot) -> Result<(), Error> {
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let executor = self.interpreter.executor().clone();
        let restoring = restoring(&self.options);
        self.interpreter = copy(&executor, image.image(), false, &restoring).await?;
        self.count = self.count.max(image.runs());
        Ok(())
    }
}
