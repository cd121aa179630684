//! Sessions that become what another is: forked, or by an image.

use crate::SessionExecutor;
use crate::image::{MAX_IMAGE_SIZE, PythonImageSnapshot};
use crate::running::aside;
use crate::saving::{load_files, restoring, save_files};
#[cfg(doc)]
use eryx_core::SnapshotError;
use eryx_core::{Error, Image, Interpreter, PythonExecutor, RunOptions, RuntimeView, State};

/// How a session becomes what another is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopyOptions {
    /// Has the copy draw the same random numbers as the original from there on: the
    /// state of `random` is the same. `os.urandom` and `uuid.uuid4`, which come from
    /// the host, are the same only where a [`Seed`](eryx_core::Seed) makes them. Off:
    /// all of them are others.
    pub same_chance: bool,
    /// Leaves the session's own files as they are, whatever an image carries. Off. A
    /// fork has a copy of the original's in any case.
    pub keep_files: bool,
}

impl CopyOptions {
    /// Sets [`same_chance`](Self::same_chance).
    #[must_use]
    pub fn with_same_chance(mut self, same: bool) -> Self {
        self.same_chance = same;
        self
    }

    /// Sets [`keep_files`](Self::keep_files).
    #[must_use]
    pub fn with_keep_files(mut self, keep: bool) -> Self {
        self.keep_files = keep;
        self
    }
}

impl<T: RuntimeView> SessionExecutor<T> {
    /// Starts a session as the image was captured of another: variables,
    /// generators, tasks, everything in its memory, and its own files if the image
    /// carries them. Its random numbers are others.
    ///
    /// # Errors
    /// As [`Interpreter::assume`]; [`SnapshotError::Files`] if the image's files are
    /// damaged, or more than a session may have here.
    pub async fn from_image(
        executor: PythonExecutor<T>,
        image: &PythonImageSnapshot,
        options: RunOptions,
    ) -> Result<Self, Error> {
        Self::from_image_with(executor, image, options, CopyOptions::default()).await
    }

    /// As [`from_image`](Self::from_image), with a choice.
    ///
    /// # Errors
    /// As [`from_image`](Self::from_image).
    pub async fn from_image_with(
        executor: PythonExecutor<T>,
        image: &PythonImageSnapshot,
        options: RunOptions,
        copied: CopyOptions,
    ) -> Result<Self, Error> {
        let executor = T::for_session(executor);
        let files = image.files().filter(|_| !copied.keep_files);
        let interpreter =
            copy(&executor, image.image(), files, copied.same_chance, &options).await?;
        let mut session = Self::of(interpreter, options);
        session.count = image.runs();
        Ok(session)
    }

    /// A second session that goes on from where this one is; both know nothing of
    /// each other from here on. What they share is what the executor's states
    /// share. Its random numbers are others.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`] and [`Interpreter::fork_into`]; this session is
    /// as it was.
    pub async fn fork(&mut self) -> Result<Self, Error> {
        self.fork_with(CopyOptions::default()).await
    }

    /// As [`fork`](Self::fork), with a choice.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub async fn fork_with(&mut self, copied: CopyOptions) -> Result<Self, Error> {
        let executor = self.interpreter.executor().clone();
        let executor = match self.interpreter.data_mut() {
            Some(data) => data.for_fork(executor),
            // It cannot be forked, and that is told next.
            None => executor,
        };
        self.fork_into(executor, copied).await
    }

    /// As [`fork_with`](Self::fork_with), with another executor of the same runtime:
    /// other files, say.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub async fn fork_into(
        &mut self,
        executor: PythonExecutor<T>,
        copied: CopyOptions,
    ) -> Result<Self, Error> {
        self.interpreter.check()?;
        let mut interpreter = start(&executor, &self.options).await?;
        let options = aside(&restoring(&self.options));
        self.interpreter.fork_into(&mut interpreter, copied.same_chance, &options).await?;
        let mut fork = Self::of(interpreter, self.options.clone());
        fork.count = self.count;
        Ok(fork)
    }

    /// Saves all of the session but its files: see [`PythonImageSnapshot`].
    ///
    /// # Errors
    /// As [`Interpreter::capture`]; [`SnapshotError::TooLarge`] if it is more than
    /// [`MAX_IMAGE_SIZE`].
    pub async fn snapshot_image(&mut self) -> Result<PythonImageSnapshot, Error> {
        let image = self.interpreter.capture(&aside(&self.options)).await?;
        PythonImageSnapshot::new(image, self.count)
    }

    /// As [`snapshot_image`](Self::snapshot_image), with the session's own files:
    /// all that is under no mount.
    ///
    /// # Errors
    /// As [`snapshot_image`](Self::snapshot_image), of both together;
    /// [`SnapshotError::Files`] if the session's store has no files of its own.
    pub async fn snapshot_image_with_files(&mut self) -> Result<PythonImageSnapshot, Error> {
        let image = self.snapshot_image().await?;
        let (limit, size) = (MAX_IMAGE_SIZE as u64, image.size() as u64);
        let files = save_files(&mut self.interpreter, limit, size)?;
        Ok(image.with_files(files))
    }

    /// Makes this session what it, or another, was when the image was captured,
    /// with other random numbers. Its files become those that the image carries; if
    /// it has none they stay as they are. A poisoned one is ready again.
    ///
    /// # Errors
    /// As [`from_image`](Self::from_image), and [`Error::Closed`]; session and files
    /// are as they were.
    pub async fn restore_image(&mut self, image: &PythonImageSnapshot) -> Result<(), Error> {
        self.restore_image_with(image, CopyOptions::default()).await
    }

    /// As [`restore_image`](Self::restore_image), with a choice.
    ///
    /// # Errors
    /// As [`restore_image`](Self::restore_image).
    pub async fn restore_image_with(
        &mut self,
        image: &PythonImageSnapshot,
        copied: CopyOptions,
    ) -> Result<(), Error> {
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let executor = self.interpreter.executor();
        let files = image.files().filter(|_| !copied.keep_files);
        let interpreter =
            copy(executor, image.image(), files, copied.same_chance, &self.options).await?;
        self.put(interpreter);
        self.count = self.count.max(image.runs());
        Ok(())
    }
}

pub(crate) async fn start<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    options: &RunOptions,
) -> Result<Interpreter<T>, Error> {
    // Its future is large, and those that wait for it are many.
    Box::pin(executor.start_with(options)).await
}

/// A new interpreter that is as the image says, with these files if any are given: all
/// of it, or nothing has changed.
pub(crate) async fn copy<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    image: &Image,
    files: Option<&[u8]>,
    same_chance: bool,
    options: &RunOptions,
) -> Result<Interpreter<T>, Error> {
    let mut interpreter = start(executor, options).await?;
    let mut files = load_files(&mut interpreter, files)?;
    interpreter.assume(image, same_chance, &aside(&restoring(options))).await?;
    files.keep();
    Ok(interpreter)
}
