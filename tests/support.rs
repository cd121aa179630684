//! What the tests share.

use eryx::{Error, ExecutionOutput, PythonException, ResourceLimits, Sandbox, Session, State};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::embedded().build().unwrap()
}

/// Has what counts fuel compiled, if it was not, which would be in the first run's time.
pub(crate) async fn load_metered() {
    sandbox().executor().load_metered().await.unwrap();
}

/// A sandbox with a second to run in.
pub(crate) fn limited() -> Sandbox {
    with(ResourceLimits::default().with_timeout(Duration::from_secs(1)))
}

pub(crate) fn with(limits: ResourceLimits) -> Sandbox {
    Sandbox::embedded().limits(limits).build().unwrap()
}

/// Runs a program that must end well; returns what it printed.
pub(crate) async fn stdout(code: &str) -> String {
    run(code).await.stdout.into_string()
}

/// Runs a program that must end well in this sandbox; returns what it printed.
pub(crate) async fn stdout_of(sandbox: &Sandbox, code: &str) -> String {
    sandbox.execute(code).await.unwrap().stdout.into_string()
}

/// Runs a program that must end well.
pub(crate) async fn run(code: &str) -> ExecutionOutput {
    sandbox().execute(code).await.unwrap()
}

pub(crate) async fn session() -> Session {
    sandbox().session().await.unwrap()
}

/// Runs a program that must end well in this session; returns what it printed.
pub(crate) async fn run_in(session: &Session, code: &str) -> String {
    match session.execute(code).await {
        Ok(output) => output.stdout.into_string(),
        Err(Error::Execution(exception)) => panic!("{}", exception.traceback),
        Err(error) => panic!("{code}: {error}"),
    }
}

/// Runs a program that must raise.
pub(crate) async fn raised(code: &str) -> PythonException {
    match sandbox().execute(code).await {
        Err(Error::Execution(exception)) => *exception,
        other => panic!("an exception was expected, not {other:?}"),
    }
}

/// Runs a program that must be stopped at its limit of one second, and no later
/// than a quarter of a second after.
pub(crate) async fn times_out(code: &str) -> ExecutionOutput {
    let second = Duration::from_secs(1);
    let ended = in_time(second + PROMISE, async || limited().execute(code).await).await;
    timed_out(ended, second)
}

/// What a run left behind that was stopped at its time limit, and not before.
pub(crate) fn timed_out(ended: Ended, limit: Duration) -> ExecutionOutput {
    let Err(Error::Timeout(stopped)) = ended else {
        panic!("a timeout was expected, not {ended:?}");
    };
    assert_eq!(*stopped, limit);
    let took = stopped.output.duration;
    assert!(took >= limit, "stopped early, after {took:?}");
    *stopped.output
}

/// The exception that nobody caught.
pub(crate) fn exception(ended: Ended) -> PythonException {
    match ended {
        Err(Error::Execution(exception)) => *exception,
        other => panic!("an exception was expected, not {other:?}"),
    }
}

/// A run returns no later than this after its time is over, or after whatever else
/// ends it.
pub(crate) const PROMISE: Duration = Duration::from_millis(250);

/// Tries three times at most to do something in this time.
pub(crate) async fn in_time<T>(most: Duration, mut attempt: impl AsyncFnMut() -> T) -> T {
    let mut took = Vec::new();
    loop {
        let start = Instant::now();
        let result = attempt().await;
        took.push(start.elapsed());
        if took.last().is_some_and(|last| *last <= most) {
            return result;
        }
        assert!(took.len() < 3, "{took:?} is longer than {most:?}");
    }
}

/// How a run ended.
pub(crate) type Ended = Result<ExecutionOutput, Error>;

/// Runs a program in an interpreter of its own, and in a session, under limits that
/// end it in this time. `check` is told how it ended. What comes next works: a run
/// after it; the session, if it is told to be usable; else all that is done with it
/// fails at once, until it is reset.
pub(crate) async fn in_both_ways(
    sandbox: &Sandbox,
    time: Duration,
    code: &str,
    check: impl Fn(Ended, State),
) {
    let alone = in_time(time + PROMISE, async || sandbox.execute(code).await).await;
    check(alone, State::Ready);
    assert_eq!(stdout_of(sandbox, "print(1 + 1)").await, "2\n", "after {code}");

    let session = sandbox.session().await.unwrap();
    let attempt = async || {
        session.reset().await.unwrap();
        session.execute(code).await
    };
    let ended = in_time(time + PROMISE, attempt).await;
    let state = session.state();
    check(ended, state);
    if state == State::Ready {
        assert_eq!(session.execute("print(1 + 1)").await.unwrap().stdout, "2\n", "after {code}");
        return;
    }
    for attempt in [session.execute("1").await.map(drop), session.clear_state().await] {
        let State::Poisoned(expected) = state else { panic!("{state:?}") };
        assert!(matches!(attempt, Err(Error::Poisoned(reason)) if reason == expected), "{code}");
    }
    session.reset().await.unwrap();
    assert_eq!(session.execute("print(1 + 1)").await.unwrap().stdout, "2\n", "after {code}");
}

/// The bytes of a snapshot, changed, with the hash that they ought to have now.
pub(crate) fn rehashed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 32;
    let hash = blake3::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(hash.as_bytes());
    bytes
}

/// Checks, where the kernel tells, that the host has grown by no more than its guests
/// and so many MiB.
pub(crate) fn grows_by<'a>(
    most: u64,
    work: impl Future<Output = ()> + 'a,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    #[cfg(target_os = "linux")]
    return Box::pin(process::grows_by(most, Box::pin(work)));
    #[cfg(not(target_os = "linux"))]
    return Box::pin(async move {
        let _ = most;
        work.await;
    });
}

pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The memory of this process, where the kernel tells; else 0.
pub(crate) fn memory_kib() -> u64 {
    #[cfg(target_os = "linux")]
    return process::memory_kib();
    #[cfg(not(target_os = "linux"))]
    return 0;
}

/// Has what is told to `tracing` on this thread kept as text, until the guard is
/// dropped.
pub(crate) fn captured_events() -> (Arc<Mutex<Vec<String>>>, tracing::subscriber::DefaultGuard) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let guard = tracing::subscriber::set_default(Captured(Arc::clone(&events)));
    (events, guard)
}

struct Captured(Arc<Mutex<Vec<String>>>);

impl Captured {
    fn keep(&self, record: impl FnOnce(&mut Line)) {
        let mut line = Line(String::new());
        record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

/// The fields of an event.
struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Captured {
    fn enabled(&self, _metadata: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.keep(|line| span.record(line));
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        self.keep(|line| values.record(line));
    }

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.keep(|line| event.record(line));
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

/// What the kernel says of this process.
#[cfg(target_os = "linux")]
pub(crate) mod process {
    use super::{in_both_ways, sandbox};
    use std::fs;
    use std::time::Duration;

    pub(super) async fn grows_by(most: u64, work: impl Future<Output = ()>) {
        // What the first runs need once is not theirs.
        let (long, code) = (Duration::from_secs(10), "x = bytearray(10**7)");
        for _ in 0..2 {
            in_both_ways(&sandbox(), long, code, |ended, _| drop(ended)).await;
        }
        let before = memory_kib();
        peak_kib();
        let base = peak_kib();
        work.await;
        let peak = peak_kib().saturating_sub(base) >> 10;
        assert!(peak <= most, "grown by {peak} MiB");
        let kept = memory_kib().saturating_sub(before) >> 10;
        assert!(kept <= 64, "{kept} MiB are not given back");
    }

    /// Its memory, of what is mapped more than once its part: PSS. Without files,
    /// as programs that run beside this one share those, and change the part.
    pub(crate) fn memory_kib() -> u64 {
        let all = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let of = |kind| -> u64 {
            let line = all.lines().find(|line| line.starts_with(kind)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        of("Pss_Anon:") + of("Pss_Shmem:")
    }

    /// The most memory it has had since the last look, files included.
    pub(crate) fn peak_kib() -> u64 {
        let all = fs::read_to_string("/proc/self/status").unwrap();
        let line = all.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let peak = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        fs::write("/proc/self/clear_refs", "5").unwrap();
        peak
    }

    pub(crate) fn threads() -> usize {
        fs::read_dir("/proc/self/task").unwrap().count()
    }

    /// Open files and sockets.
    pub(crate) fn handles() -> usize {
        fs::read_dir("/proc/self/fd").unwrap().count()
    }

    pub(crate) fn mappings() -> usize {
        fs::read_to_string("/proc/self/maps").unwrap().lines().count()
    }
}
