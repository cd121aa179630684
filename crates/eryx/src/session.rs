use crate::files::OwnFiles;
use crate::state::World;
use crate::{Sandbox, SandboxState};
use eryx_core::{Callbacks, Error, ExecutionOutput, Omission, State};
use eryx_session::{
    CopyOptions, PythonImageSnapshot, PythonStateSnapshot, SessionExecutor, SnapshotOptions,
};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit};

/// A live interpreter under a sandbox's options. Clones are the same session, and
/// several tasks can hold one.
///
/// One run goes on at a time: a second one meanwhile fails with [`Error::Busy`],
/// also from a callback of the first.
#[derive(Debug, Clone)]
pub struct Session {
    inner: Arc<Inner>,
    callbacks: Callbacks,
    world: World,
    files: OwnFiles,
}

#[derive(Debug)]
struct Inner {
    session: Mutex<SessionExecutor<SandboxState>>,
    /// Its place in a pool, once it is to be closed as soon as nothing runs in it, and
    /// until it is.
    closing: std::sync::Mutex<Option<OwnedSemaphorePermit>>,
}

impl Inner {
    fn lock(&self) -> Result<MutexGuard<'_, SessionExecutor<SandboxState>>, Error> {
        self.session.try_lock().map_err(|_| Error::Busy)
    }

    /// Closes it if that is wanted. Who holds it meanwhile does it afterwards.
    fn close_if_wanted(&self) {
        let mut closing = self.closing();
        if closing.is_some()
            && let Ok(mut session) = self.lock()
        {
            session.close();
            *closing = None;
        }
    }

    /// A panic of another thread cannot have left it half changed.
    fn closing(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is held for a while: to anybody else it is busy. See
/// [`Session::lock`].
#[derive(Debug)]
pub struct LockedSession<'a> {
    session: MutexGuard<'a, SessionExecutor<SandboxState>>,
    // Dropped after it.
    _last: LastLook<'a>,
}

/// Sees whether the session was to be closed while it was held.
struct LastLook<'a>(&'a Inner);

impl Drop for LastLook<'_> {
    fn drop(&mut self) {
        self.0.close_if_wanted();
    }
}

impl fmt::Debug for LastLook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastLook")
    }
}

impl Deref for LockedSession<'_> {
    type Target = SessionExecutor<SandboxState>;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

impl DerefMut for LockedSession<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.session
    }
}

impl Session {
    pub(crate) async fn start(sandbox: &Sandbox) -> Result<Self, Error> {
        let files = OwnFiles::new(&sandbox.world().mounts);
        let executor = sandbox.world().executor_with(sandbox.executor(), &files);
        let session = SessionExecutor::with_options(executor, sandbox.options().clone()).await?;
        Ok(Self::of(session, sandbox.options().callbacks.clone(), sandbox.world().clone(), files))
    }

    /// Starts a session as the image was captured of another, here or in another
    /// process, under this sandbox's options. Its files are those that the image
    /// carries. Without any they start empty, so that those that were open cannot be
    /// used; with the feature `vfs` see `from_image_with_files`.
    ///
    /// # Errors
    /// As [`SessionExecutor::from_image`]; [`SnapshotError::Files`] if the image's
    /// files are damaged, or more than the sandbox lets a session have.
    ///
    /// [`SnapshotError::Files`]: crate::SnapshotError::Files
    pub async fn from_image(sandbox: &Sandbox, image: &PythonImageSnapshot) -> Result<Self, Error> {
        Self::from_image_with(sandbox, image, CopyOptions::default()).await
    }

    /// As [`from_image`](Self::from_image), with a choice.
    ///
    /// # Errors
    /// As [`from_image`](Self::from_image).
    pub async fn from_image_with(
        sandbox: &Sandbox,
        image: &PythonImageSnapshot,
        copied: CopyOptions,
    ) -> Result<Self, Error> {
        let files = OwnFiles::new(&sandbox.world().mounts);
        Self::from_image_and(sandbox, image, files, copied).await
    }

    pub(crate) async fn from_image_and(
        sandbox: &Sandbox,
        image: &PythonImageSnapshot,
        files: OwnFiles,
        copied: CopyOptions,
    ) -> Result<Self, Error> {
        let executor = sandbox.world().executor_with(sandbox.executor(), &files);
        let options = sandbox.options().clone();
        let callbacks = options.callbacks.clone();
        let session = SessionExecutor::from_image_with(executor, image, options, copied).await?;
        Ok(Self::of(session, callbacks, sandbox.world().clone(), files))
    }

    fn of(
        session: SessionExecutor<SandboxState>,
        callbacks: Callbacks,
        world: World,
        files: OwnFiles,
    ) -> Self {
        let inner = Inner { session: Mutex::new(session), closing: std::sync::Mutex::default() };
        Self { inner: Arc::new(inner), callbacks, world, files }
    }

    /// A second session that goes on from where this one is, with a copy of its
    /// files; both know nothing of each other from here on. Storages and
    /// directories that are mounted they share.
    ///
    /// # Errors
    /// As [`SessionExecutor::fork`]; [`Error::Busy`] while something runs.
    pub async fn fork(&self) -> Result<Self, Error> {
        self.fork_with(CopyOptions::default()).await
    }

    /// As [`fork`](Self::fork), with a choice.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub async fn fork_with(&self, copied: CopyOptions) -> Result<Self, Error> {
        let mut session = self.lock()?;
        let files = self.files.fork();
        let executor = self.world.executor_with(session.executor(), &files);
        let fork = session.fork_into(executor, copied).await?;
        Ok(Self::of(fork, self.callbacks.clone(), self.world.clone(), files))
    }

    /// Saves all of the session's memory, but not its files.
    ///
    /// # Errors
    /// As [`SessionExecutor::snapshot_image`]; [`Error::Busy`] while something
    /// runs.
    pub async fn snapshot_image(&self) -> Result<PythonImageSnapshot, Error> {
        self.lock()?.snapshot_image().await
    }

    /// As [`snapshot_image`](Self::snapshot_image), with the session's own files:
    /// all that is under no mount.
    ///
    /// # Errors
    /// As [`SessionExecutor::snapshot_image_with_files`]; [`Error::Busy`] while
    /// something runs.
    pub async fn snapshot_image_with_files(&self) -> Result<PythonImageSnapshot, Error> {
        self.lock()?.snapshot_image_with_files().await
    }

    /// Makes the session what it, or another, was when the image was captured. Its
    /// files become those that the image carries; if it has none they stay as they
    /// are.
    ///
    /// # Errors
    /// As [`SessionExecutor::restore_image`]; [`Error::Busy`] while something
    /// runs. Session and files are as they were then.
    pub async fn restore_image(&self, image: &PythonImageSnapshot) -> Result<(), Error> {
        self.lock()?.restore_image(image).await
    }

    /// As [`restore_image`](Self::restore_image), with a choice.
    ///
    /// # Errors
    /// As [`restore_image`](Self::restore_image).
    pub async fn restore_image_with(
        &self,
        image: &PythonImageSnapshot,
        copied: CopyOptions,
    ) -> Result<(), Error> {
        self.lock()?.restore_image_with(image, copied).await
    }

    /// Runs a program that finds what earlier ones left.
    ///
    /// # Errors
    /// How a run can end; [`Error::Busy`], [`Error::Poisoned`] or
    /// [`Error::Closed`] if it cannot begin.
    pub async fn execute(&self, code: impl Into<String>) -> Result<ExecutionOutput, Error> {
        self.lock()?.execute(code).run().await
    }

    /// As [`execute`](Self::execute), but a run that fails is undone: see
    /// [`SessionExecuteBuilder::transactional`](crate::SessionExecuteBuilder::transactional).
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn execute_transactional(
        &self,
        code: impl Into<String>,
    ) -> Result<ExecutionOutput, Error> {
        self.lock()?.execute(code).transactional().run().await
    }

    /// Tries again to undo a run that could not be undone: see
    /// [`SessionExecutor::undo`].
    ///
    /// # Errors
    /// As [`SessionExecutor::undo`]; [`Error::Busy`] while something runs.
    pub async fn undo(&self) -> Result<(), Error> {
        self.lock()?.undo().await
    }

    /// The session itself, for everything else that it can: limits of a run,
    /// streaming, tracing.
    ///
    /// # Errors
    /// [`Error::Busy`] while something runs.
    pub fn lock(&self) -> Result<LockedSession<'_>, Error> {
        let session = self.inner.lock()?;
        Ok(LockedSession { session, _last: LastLook(&self.inner) })
    }

    /// Whether it can be used now.
    pub fn state(&self) -> State {
        self.inner.lock().map_or(State::Running, |session| session.state())
    }

    /// Saves all variables by value.
    ///
    /// # Errors
    /// As [`SessionExecutor::snapshot_state`]; [`Error::Busy`] while something
    /// runs.
    pub async fn snapshot_state(&self) -> Result<PythonStateSnapshot, Error> {
        self.lock()?.snapshot_state().await
    }

    /// As [`snapshot_state`](Self::snapshot_state), with a choice, and the session's
    /// own files if they are asked for; answers too with what was left out.
    ///
    /// ```no_run
    /// # async fn example(session: &eryx::Session) -> Result<(), eryx::Error> {
    /// use eryx::SnapshotOptions;
    ///
    /// let options = SnapshotOptions::default().with_files(true);
    /// let (snapshot, _) = session.snapshot_state_with(&options).await?;
    /// std::fs::write("session.snapshot", snapshot.to_bytes()).expect("a disk with room");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`snapshot_state`](Self::snapshot_state).
    pub async fn snapshot_state_with(
        &self,
        options: &SnapshotOptions,
    ) -> Result<(PythonStateSnapshot, Vec<Omission>), Error> {
        self.lock()?.snapshot_state_with(options).await
    }

    /// Puts a snapshot's variables in the place of those that there are. One that
    /// carries files brings those too, in the place of the session's own, and a new
    /// interpreter with them.
    ///
    /// # Errors
    /// As [`SessionExecutor::restore_state`]; [`Error::Busy`] while something
    /// runs. Variables and files are as they were then.
    pub async fn restore_state(&self, snapshot: &PythonStateSnapshot) -> Result<(), Error> {
        self.lock()?.restore_state(snapshot).await
    }

    /// Forgets all variables, in the same interpreter.
    ///
    /// # Errors
    /// As [`SessionExecutor::clear_state`]; [`Error::Busy`] while something runs.
    pub async fn clear_state(&self) -> Result<(), Error> {
        self.lock()?.clear_state().await
    }

    /// Gives the session a new interpreter: what brings a poisoned one back. Its
    /// files stay.
    ///
    /// # Errors
    /// As [`SessionExecutor::reset`]; [`Error::Busy`] while something runs.
    pub async fn reset(&self) -> Result<(), Error> {
        self.lock()?.reset(&self.callbacks).await
    }

    #[cfg(feature = "vfs")]
    pub(crate) fn own_files(&self) -> &OwnFiles {
        &self.files
    }

    /// Ends the session; every further call fails with [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Busy`] while something runs.
    pub fn close(&self) -> Result<(), Error> {
        self.lock()?.close();
        Ok(())
    }

    /// Ends the session, now or with what runs in it. It has its place in a pool until
    /// then.
    pub(crate) fn close_when_free(&self, place: Option<OwnedSemaphorePermit>) {
        *self.inner.closing() = place;
        self.inner.close_if_wanted();
    }
}
