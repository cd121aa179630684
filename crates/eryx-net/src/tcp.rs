use crate::bindings::eryx::net::tcp::Direction;
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::budget::{Budget, Place};
use crate::error::{failure, from_io, want_read, want_write};
use crate::policy::HostName;
use crate::proxy::{Follower, Target, Unclear};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Targets of one proxy that are kept in mind.
const MOST_PERMITTED: usize = 64;

/// A socket of the operating system, and its place among those that may be open: it
/// is free again when the socket is closed, whoever was the last to have it.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    made: Instant,
    /// Milliseconds after `made` when bytes have moved.
    moved: AtomicU64,
    /// The system tells of an error once, and a look at what has arrived may
    /// have been when it did.
    broken: OnceLock<Failure>,
    _place: Place,
}

/// A socket until it is closed, which whoever waits for it learns of.
type Shared = Arc<watch::Sender<Option<Arc<Socket>>>>;

/// A socket that is closed with this, or when nothing has moved for too long.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Shared,
    watch: AbortHandle,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    peer: SocketAddr,
    /// The names that it was made to.
    names: Vec<HostName>,
    budget: Arc<Budget>,
    /// What the guest has asked of it, should it be a proxy.
    requests: Follower,
    /// What of that was permitted.
    permitted: Vec<Target>,
    /// The TLS session that has it.
    pub(crate) session: Option<u32>,
}

/// Connects to `address` and nothing else, in at most the time `connect`. Where nothing
/// moves for the time `idle`, the connection is closed.
pub(crate) async fn connect(
    address: SocketAddr,
    connect: Duration,
    idle: Duration,
    place: Place,
) -> Result<Link, Failure> {
    match tokio::time::timeout(connect, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(Link::new(stream, idle, place)),
        Ok(Err(error)) => Err(from_io(&error)),
        Err(_) => Err(failure(Code::TimedOut, "the peer did not answer in time")),
    }
}

impl Link {
    fn new(stream: TcpStream, idle: Duration, place: Place) -> Self {
        let socket = Arc::new(Socket {
            stream,
            made: Instant::now(),
            moved: AtomicU64::new(0),
            broken: OnceLock::new(),
            _place: place,
        });
        let weak = Arc::downgrade(&socket);
        let socket = Shared::new(watch::Sender::new(Some(socket)));
        let watch = tokio::spawn(close_when_idle(Arc::clone(&socket), weak, idle)).abort_handle();
        Self { socket, watch }
    }

    fn socket(&self) -> Result<Arc<Socket>, Failure> {
        self.socket.borrow().clone().ok_or_else(|| {
            failure(Code::TimedOut, "nothing has moved on the connection for too long")
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.watch.abort();
        self.socket.send_replace(None);
    }
}

async fn close_when_idle(shared: Shared, socket: Weak<Socket>, time: Duration) {
    while let Some(quiet) = socket.upgrade().map(|socket| socket.quiet()) {
        let left = time.saturating_sub(quiet);
        if left.is_zero() {
            shared.send_replace(None);
            return;
        }
        tokio::time::sleep(left).await;
    }
}

impl Connection {
    pub(crate) fn new(
        link: Link,
        peer: SocketAddr,
        names: Vec<HostName>,
        budget: Arc<Budget>,
    ) -> Self {
        let (requests, permitted) = (Follower::default(), Vec::new());
        Self { link, peer, names, budget, requests, permitted, session: None }
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn names(&self) -> &[HostName] {
        &self.names
    }

    pub(crate) fn local(&self) -> Result<SocketAddr, Failure> {
        self.link.socket()?.stream.local_addr().map_err(|error| from_io(&error))
    }

    /// Puts what has arrived into `buffer`; 0 says that the peer is through.
    pub(crate) fn receive(&self, buffer: &mut [u8], keep: bool) -> Result<usize, Failure> {
        let socket = self.link.socket()?;
        if keep {
            return match socket.peek(buffer) {
                Poll::Ready(length) => length,
                Poll::Pending => Err(want_read()),
            };
        }
        self.budget.receive(buffer.len(), |most| {
            if let Some(broken) = socket.broken.get() {
                return Err(broken.clone());
            }
            let room = buffer.get_mut(..most).unwrap_or_default();
            match socket.stream.try_read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(want_read()),
                read => socket.moving(read.map_err(|error| socket.breaks(&error))),
            }
        })
    }

    /// What a proxy would be asked for by `bytes`, and was not permitted on this
    /// connection before; and where its requests stand after them.
    pub(crate) fn asks(&self, bytes: &[u8]) -> Result<(Vec<Target>, Follower), Unclear> {
        let mut after = self.requests.clone();
        let mut asked = after.follow(bytes)?;
        asked.retain(|target| !self.permitted.contains(target));
        asked.dedup();
        Ok((asked, after))
    }

    /// Keeps in mind what was permitted, of so much the last.
    pub(crate) fn permit(&mut self, target: Target) {
        if self.permitted.len() >= MOST_PERMITTED {
            self.permitted.remove(0);
        }
        self.permitted.push(target);
    }

    /// Whom a proxy was last asked to connect with.
    pub(crate) fn connected(&self) -> Option<&Target> {
        self.requests.connected()
    }

    /// Sends what was looked at before, with where requests stand after it; how many of
    /// `bytes` the operating system took.
    pub(crate) fn send_plain(&mut self, bytes: &[u8], after: Follower) -> Result<usize, Failure> {
        let sent = self.send(bytes)?;
        if sent == bytes.len() {
            self.requests = after;
        } else {
            // The beginning of what is clear is clear.
            let _ = self.requests.follow(bytes.get(..sent).unwrap_or_default());
        }
        Ok(sent)
    }

    /// How many of `bytes` the operating system took.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, Failure> {
        let socket = self.link.socket()?;
        self.budget.send(bytes.len(), |most| {
            match socket.stream.try_write(bytes.get(..most).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(want_write()),
                written => socket.moving(written.map_err(|error| from_io(&error))),
            }
        })
    }

    /// Whether `receive` has an answer now.
    pub(crate) fn is_readable(&self) -> bool {
        self.link.socket().map_or(true, |socket| socket.peek(&mut [0]).is_ready())
    }

    /// Whether `send` might take bytes now.
    pub(crate) fn is_writable(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.link
            .socket()
            .map_or(true, |socket| socket.stream.poll_write_ready(&mut nobody).is_ready())
    }

    /// Ends when `receive` has an answer.
    pub(crate) fn until_readable(&self) -> impl Future<Output = ()> + Send + 'static {
        self.until(|socket| async move {
            while socket.stream.readable().await.is_ok() && socket.peek(&mut [0]).is_pending() {}
        })
    }

    /// Ends when `send` takes bytes.
    pub(crate) fn until_writable(&self) -> impl Future<Output = ()> + Send + 'static {
        self.until(|socket| async move {
            // Whoever sends learns what is wrong.
            let _ = socket.stream.writable().await;
        })
    }

    /// Waits for the socket, or for its end: it must not stay open for who waits.
    fn until<F: Future<Output = ()> + Send + 'static, W: FnOnce(Arc<Socket>) -> F + 'static>(
        &self,
        wait: W,
    ) -> impl Future<Output = ()> + Send + use<F, W> {
        let mut shared = self.link.socket.subscribe();
        let ready = self.link.socket().ok().map(wait);
        async move {
            let Some(ready) = ready else { return };
            let closed = async {
                let _ = shared.wait_for(Option::is_none).await;
            };
            tokio::select! {
                () = ready => {}
                () = closed => {}
            }
        }
    }

    pub(crate) fn set_no_delay(&self, yes: bool) -> Result<(), Failure> {
        self.link.socket()?.stream.set_nodelay(yes).map_err(|error| from_io(&error))
    }

    pub(crate) fn shut_down(&self, what: Direction) -> Result<(), Failure> {
        let what = match what {
            Direction::Receiving => Shutdown::Read,
            Direction::Sending => Shutdown::Write,
            Direction::Both => Shutdown::Both,
        };
        let socket = self.link.socket()?;
        socket2::SockRef::from(&socket.stream).shutdown(what).map_err(|error| from_io(&error))
    }
}

impl Socket {
    /// Looks at what has arrived and leaves it there.
    fn peek(&self, buffer: &mut [u8]) -> Poll<Result<usize, Failure>> {
        if let Some(broken) = self.broken.get() {
            return Poll::Ready(Err(broken.clone()));
        }
        let mut nobody = Context::from_waker(Waker::noop());
        let peeked = self.stream.poll_peek(&mut nobody, &mut ReadBuf::new(buffer));
        peeked.map_err(|error| self.breaks(&error))
    }

    fn breaks(&self, error: &io::Error) -> Failure {
        self.broken.get_or_init(|| from_io(error)).clone()
    }

    /// Notes whether bytes have moved.
    fn moving(&self, moved: Result<usize, Failure>) -> Result<usize, Failure> {
        if let Ok(1..) = moved {
            let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.moved.store(now, Relaxed);
        }
        moved
    }

    /// For how long nothing has moved.
    fn quiet(&self) -> Duration {
        self.made.elapsed().saturating_sub(Duration::from_millis(self.moved.load(Relaxed)))
    }
}
