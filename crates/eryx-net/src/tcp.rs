use crate::bindings::eryx::net::tcp::Direction;
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::budget::{Budget, Place};
use crate::error::{failure, from_io, want_read, want_write};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// What a connection shares with who waits for it.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// Nothing has moved for too long.
    idle: AtomicBool,
    /// The system tells of an error once, and a look at what has arrived may
    /// have been when it did.
    broken: OnceLock<Failure>,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Arc<Socket>,
    peer: SocketAddr,
    budget: Arc<Budget>,
    /// The TLS session that has it.
    pub(crate) session: Option<u32>,
    _place: Place,
}

/// Connects to `address` and nothing else.
pub(crate) async fn connect(address: SocketAddr, time: Duration) -> Result<TcpStream, Failure> {
    match tokio::time::timeout(time, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(from_io(&error)),
        Err(_) => Err(failure(Code::TimedOut, "the peer did not answer in time")),
    }
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
        budget: Arc<Budget>,
    ) -> Self {
        let socket = Socket { stream, idle: AtomicBool::default(), broken: OnceLock::new() };
        Self { socket: Arc::new(socket), peer, budget, session: None, _place: place }
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn local(&self) -> Result<SocketAddr, Failure> {
        self.socket.stream.local_addr().map_err(|error| from_io(&error))
    }

    /// Puts what has arrived into `buffer`; 0 says that the peer is through.
    pub(crate) fn receive(&self, buffer: &mut [u8], keep: bool) -> Result<usize, Failure> {
        if keep {
            return self.peek(buffer);
        }
        self.budget.receive(buffer.len(), |most| {
            if let Some(broken) = self.socket.broken.get() {
                return Err(broken.clone());
            }
            let room = buffer.get_mut(..most).unwrap_or_default();
            match self.socket.stream.try_read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(self.waiting(want_read()))
                }
                read => read.map_err(|error| self.socket.breaks(&error)),
            }
        })
    }

    fn peek(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match self.socket.peek(buffer) {
            Poll::Ready(length) => length,
            Poll::Pending => Err(self.waiting(want_read())),
        }
    }

    /// How many of `bytes` the operating system took.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, Failure> {
        self.budget.send(bytes.len(), |most| {
            match self.socket.stream.try_write(bytes.get(..most).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(self.waiting(want_write()))
                }
                written => written.map_err(|error| from_io(&error)),
            }
        })
    }

    /// What to answer when nothing moves: that one should wait, if there is
    /// still a point in it.
    fn waiting(&self, wanted: Failure) -> Failure {
        if self.socket.idle.load(Relaxed) {
            return failure(Code::TimedOut, "nothing has moved on the connection for too long");
        }
        wanted
    }

    /// Whether `receive` has an answer now.
    pub(crate) fn is_readable(&self) -> bool {
        self.socket.idle.load(Relaxed) || self.socket.peek(&mut [0]).is_ready()
    }

    /// Whether `send` might take bytes now.
    pub(crate) fn is_writable(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.socket.idle.load(Relaxed)
            || self.socket.stream.poll_write_ready(&mut nobody).is_ready()
    }

    /// Ends when `receive` has an answer, or nothing has come for `time`.
    pub(crate) fn until_readable(
        &self,
        time: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let socket = Arc::clone(&self.socket);
        async move {
            let readable = async {
                while socket.stream.readable().await.is_ok() && socket.peek(&mut [0]).is_pending() {
                }
            };
            if tokio::time::timeout(time, readable).await.is_err() {
                socket.idle.store(true, Relaxed);
            }
        }
    }

    /// Ends when `send` takes bytes, or has not for `time`.
    pub(crate) fn until_writable(
        &self,
        time: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let socket = Arc::clone(&self.socket);
        async move {
            if tokio::time::timeout(time, socket.stream.writable()).await.is_err() {
                socket.idle.store(true, Relaxed);
            }
        }
    }

    pub(crate) fn set_no_delay(&self, yes: bool) -> Result<(), Failure> {
        self.socket.stream.set_nodelay(yes).map_err(|error| from_io(&error))
    }

    pub(crate) fn shut_down(&self, what: Direction) -> Result<(), Failure> {
        let what = match what {
            Direction::Receiving => Shutdown::Read,
            Direction::Sending => Shutdown::Write,
            Direction::Both => Shutdown::Both,
        };
        socket2::SockRef::from(&self.socket.stream).shutdown(what).map_err(|error| from_io(&error))
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
}
