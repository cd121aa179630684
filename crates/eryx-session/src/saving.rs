//! Sessions whose variables are saved and restored.

use crate::SessionExecutor;
use crate::copying::start;
use crate::snapshot::{PythonStateSnapshot, SnapshotOptions};
use crate::undoing::Undoing;
use eryx_core::{Error, Interpreter, Omission, RunOptions, RuntimeView, SnapshotError, State};

/// Those that hold while a session is restored.
pub(crate) fn restoring(options: &RunOptions) -> RunOptions {
    let limits = options.limits.for_restoring();
    let mut options = options.clone();
    options.limits = limits;
    options
}

impl<T: RuntimeView> SessionExecutor<T> {
    /// Saves all variables by value, functions and classes too.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if something cannot be saved, with its name, or if it
    /// is too much; the session is as it was.
    pub async fn snapshot_state(&mut self) -> Result<PythonStateSnapshot, Error> {
        let (snapshot, _) = self.snapshot_state_with(&SnapshotOptions::default()).await?;
        Ok(snapshot)
    }

    /// As [`snapshot_state`](Self::snapshot_state), with a choice, and the session's
    /// own files if they are asked for; answers too with what was left out.
    ///
    /// # Errors
    /// As [`snapshot_state`](Self::snapshot_state); [`SnapshotError::Files`] if files
    /// are asked for and the session's store has none of its own.
    pub async fn snapshot_state_with(
        &mut self,
        options: &SnapshotOptions,
    ) -> Result<(PythonStateSnapshot, Vec<Omission>), Error> {
        let limited = self.begin();
        self.meter(&limited).await?;
        let runtime = self.interpreter.executor().runtime_id();
        let limit = options.bytes();
        let (data, omitted) =
            self.interpreter.save(limit, options.skip_unsaveable, options.files, &limited).await?;
        let snapshot = PythonStateSnapshot::new(data, runtime);
        if !options.files {
            return Ok((snapshot, omitted));
        }
        let files = save_files(&mut self.interpreter, limit, snapshot.size() as u64)?;
        Ok((snapshot.with_files(files), omitted))
    }

    /// Puts a snapshot's variables in the place of those that there are. One that
    /// carries files brings those too, in the place of the session's own, and a new
    /// interpreter with them. So gets a poisoned session, which is ready again.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it does not fit; variables and files are as they were.
    pub async fn restore_state(&mut self, snapshot: &PythonStateSnapshot) -> Result<(), Error> {
        snapshot.check().map_err(Error::Snapshot)?;
        if matches!(self.state(), State::Poisoned(_)) || snapshot.files().is_some() {
            return self.restore_state_anew(snapshot).await;
        }
        self.meter(&self.begin()).await?;
        self.interpreter.restore(snapshot.data(), &restoring(&self.options)).await
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
        let mut fresh = start(self.interpreter.executor(), &self.options).await?;
        let mut files = load_files(&mut fresh, snapshot.files())?;
        fresh.restore(snapshot.data(), &restoring(&self.options)).await?;
        files.keep();
        self.put(fresh);
        Ok(())
    }
}

/// The session's own files as bytes, which with others of a snapshot may be `limit`.
pub(crate) fn save_files<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    limit: u64,
    others: u64,
) -> Result<Vec<u8>, Error> {
    usable_data(interpreter)?.save_files(limit.saturating_sub(others)).map_err(|error| {
        Error::Snapshot(match error {
            SnapshotError::TooLarge { size, .. } => {
                SnapshotError::TooLarge { size: size.saturating_add(others), limit }
            }
            other => other,
        })
    })
}

/// Makes the session's own files those that were saved, if any were, until the answer
/// is dropped.
pub(crate) fn load_files<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    saved: Option<&[u8]>,
) -> Result<Undoing, Error> {
    let Some(saved) = saved else { return Ok(Undoing::of(None)) };
    let loaded = usable_data(interpreter)?.load_files(saved);
    loaded.map(|undo| Undoing::of(Some(undo))).map_err(Error::Snapshot)
}

fn usable_data<T: RuntimeView>(interpreter: &mut Interpreter<T>) -> Result<&mut T, Error> {
    interpreter.check()?;
    interpreter.data_mut().ok_or(Error::Busy)
}
