use crate::Error;
use crate::interpreter::HOST_CALL_BYTES;
use crate::raised::TIMES_A_TRACEBACK;
use std::time::Duration;

/// As deep as `serde_json` reads.
const LARGEST_DEPTH: usize = 127;

/// What the guest tells besides texts that have a limit: their places and lengths.
const MORE_THAN_TEXTS: usize = 1 << 20;

/// What one run may use. Every limit is on unless it is lifted.
///
/// ```
/// use eryx_core::ResourceLimits;
/// use std::time::Duration;
///
/// let limits = ResourceLimits::default().with_timeout(Duration::from_secs(2));
/// assert_eq!(limits.timeout, Some(Duration::from_secs(2)));
/// assert_eq!(limits.memory_bytes, 256 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceLimits {
    /// Wall time from the start of the run, waiting included. 30 s; `None`
    /// lifts the limit.
    pub timeout: Option<Duration>,
    /// Wall time after which the program is asked to end: `TimeoutError` is
    /// raised in it, once, wherever it is. It can clean up, or even go on until
    /// [`timeout`](Self::timeout) ends it for good. If it lets the exception
    /// pass, the run ends with [`Error::Execution`], a traceback that shows
    /// where it was, and an interpreter that can be used again. C code that
    /// takes long without looking for signals is not reached. `None`: it is not
    /// asked. `None`.
    pub soft_timeout: Option<Duration>,
    /// Linear memory of the interpreter, its own share of about 20 MiB
    /// included. 256 MiB.
    pub memory_bytes: u64,
    /// Bytes kept of standard output. 1 MiB.
    pub stdout_bytes: u64,
    /// Bytes kept of standard error. 1 MiB.
    pub stderr_bytes: u64,
    /// What happens to a program that prints more. It runs on.
    pub output_policy: OutputPolicy,
    /// Bytes kept of a traceback, and of an exception's message; the guest tells no
    /// more than some 4 MiB in any case. 64 KiB.
    pub traceback_bytes: u32,
    /// Bytes kept of the result. 1 MiB.
    pub result_bytes: u32,
    /// Work of WebAssembly instructions that the run may do, in wasmtime's units
    /// of fuel: about one an instruction. `None`: it is not counted, which makes
    /// Python about twice as fast. `None`.
    pub fuel: Option<u64>,
    /// What the run may call of the host.
    pub callbacks: CallbackLimits,
    /// Operations under way at once: calls of callbacks, and what the network
    /// does. 1024.
    pub operations: usize,
    /// Wall time for restoring a session, or for making it what an image is; no
    /// more than [`timeout`](Self::timeout) in any case. 5 s; `None` lifts the limit.
    pub restore_timeout: Option<Duration>,
}

/// What a run may call of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackLimits {
    /// Calls in all. 1000.
    pub calls: u64,
    /// Calls under way at once; Python's further calls wait for their turn. 0 would
    /// let none through and counts as 1. 16.
    pub in_flight: usize,
    /// Wall time of a call. 10 s; `None` lifts the limit.
    pub timeout: Option<Duration>,
    /// Bytes of a call's arguments, as JSON and with what is bytes. 1 MiB.
    pub argument_bytes: usize,
    /// Bytes of an answer. 4 MiB.
    pub reply_bytes: usize,
    /// How deep lists and objects may be nested in either. 64.
    pub depth: usize,
    /// How many values and keys a call's arguments may hold in all: each takes some of
    /// the host's memory, however few bytes it has as JSON. 100,000.
    pub values: usize,
}

impl Default for CallbackLimits {
    fn default() -> Self {
        Self {
            calls: 1000,
            in_flight: 16,
            timeout: Some(Duration::from_secs(10)),
            argument_bytes: 1 << 20,
            reply_bytes: 4 << 20,
            depth: 64,
            values: 100_000,
        }
    }
}

/// What happens when a program prints more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OutputPolicy {
    /// It runs on; what is too much is dropped, and
    /// [`Truncated`](crate::Truncated) tells.
    #[default]
    Truncate,
    /// The run ends with [`Error::Output`].
    Stop,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(30)),
            soft_timeout: None,
            memory_bytes: 256 << 20,
            stdout_bytes: 1 << 20,
            stderr_bytes: 1 << 20,
            output_policy: OutputPolicy::Truncate,
            traceback_bytes: 64 << 10,
            result_bytes: 1 << 20,
            fuel: None,
            callbacks: CallbackLimits::default(),
            operations: 1024,
            restore_timeout: Some(Duration::from_secs(5)),
        }
    }
}

impl ResourceLimits {
    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Lets runs take as long as they like.
    #[must_use]
    pub fn without_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Sets [`soft_timeout`](Self::soft_timeout).
    #[must_use]
    pub fn with_soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// Sets [`memory_bytes`](Self::memory_bytes).
    #[must_use]
    pub fn with_memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Sets [`stdout_bytes`](Self::stdout_bytes) and
    /// [`stderr_bytes`](Self::stderr_bytes).
    #[must_use]
    pub fn with_output_bytes(mut self, bytes: u64) -> Self {
        self.stdout_bytes = bytes;
        self.stderr_bytes = bytes;
        self
    }

    /// Sets [`output_policy`](Self::output_policy).
    #[must_use]
    pub fn with_output_policy(mut self, policy: OutputPolicy) -> Self {
        self.output_policy = policy;
        self
    }

    /// Sets [`fuel`](Self::fuel).
    #[must_use]
    pub fn with_fuel(mut self, fuel: u64) -> Self {
        self.fuel = Some(fuel);
        self
    }

    /// Sets [`restore_timeout`](Self::restore_timeout).
    #[must_use]
    pub fn with_restore_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.restore_timeout = timeout.into();
        self
    }

    /// Those that hold while a session is restored.
    #[must_use]
    pub fn for_restoring(&self) -> Self {
        let timeout = self.timeout.into_iter().chain(self.restore_timeout).min();
        let is_before = |soft: &Duration| timeout.is_none_or(|hard| *soft < hard);
        let soft_timeout = self.soft_timeout.filter(is_before);
        Self { timeout, soft_timeout, ..self.clone() }
    }

    /// Sets [`callbacks`](Self::callbacks).
    #[must_use]
    pub fn with_callbacks(mut self, limits: CallbackLimits) -> Self {
        self.callbacks = limits;
        self
    }

    /// Bytes that may cross from the guest in one call: what it may say by the other
    /// limits.
    pub(crate) fn host_call_bytes(&self) -> usize {
        let wide = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let exception = wide(self.traceback_bytes).saturating_mul(TIMES_A_TRACEBACK + 1);
        let most = wide(self.result_bytes).max(exception).max(self.callbacks.argument_bytes);
        most.saturating_add(MORE_THAN_TEXTS).max(HOST_CALL_BYTES)
    }

    /// Refuses limits under which no program can run, as everything does that takes
    /// limits.
    ///
    /// # Errors
    /// [`Error::Config`] says which, and why.
    pub fn check(&self) -> Result<(), Error> {
        if self.timeout == Some(Duration::ZERO) {
            return Err(Error::Config(
                "the timeout is zero: give a run at least a few milliseconds, or lift the limit"
                    .into(),
            ));
        }
        if self.restore_timeout == Some(Duration::ZERO) {
            return Err(Error::Config(
                "the timeout for restoring is zero: give it at least a few milliseconds, or lift \
                 the limit"
                    .into(),
            ));
        }
        if let (Some(soft), Some(hard)) = (self.soft_timeout, self.timeout)
            && soft >= hard
        {
            return Err(Error::Config(format!(
                "the soft timeout of {soft:?} is not before the timeout of {hard:?}: the program \
                 would never be asked to end"
            )));
        }
        // JSON is read by recursion, which ends at this depth.
        if self.callbacks.depth > LARGEST_DEPTH {
            return Err(Error::Config(format!(
                "the callbacks' depth is limited to {}; it can be {LARGEST_DEPTH} at most",
                self.callbacks.depth
            )));
        }
        Ok(())
    }
}

impl CallbackLimits {
    /// Sets [`calls`](Self::calls).
    #[must_use]
    pub fn with_calls(mut self, calls: u64) -> Self {
        self.calls = calls;
        self
    }

    /// Sets [`in_flight`](Self::in_flight).
    #[must_use]
    pub fn with_in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls;
        self
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.in_flight.max(1)
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }
}
