use crate::escape::Pieces;
use eryx::{CancellationToken, OutputRequest, OutputStream};
use std::io::{self, IsTerminal, Write};
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// What may wait to be printed; pieces have 1 MiB at most. The program waits when
/// there is more.
const WAITING: usize = 8;

/// Prints what a program prints, as it does and in its order across both streams.
///
/// It has a thread of its own, so that whoever reads slowly stops no clock.
#[derive(Debug)]
pub(crate) struct Printer(JoinHandle<Printed>);

/// How far the printer came.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) stdout_cut: bool,
    pub(crate) stderr_cut: bool,
    pub(crate) failed: Option<io::Error>,
}

impl Printer {
    /// Prints so many bytes of each stream at most, and cancels the run when that
    /// cannot be done.
    pub(crate) fn start(
        most: u64,
        run: CancellationToken,
    ) -> io::Result<(Sender<OutputRequest>, Self)> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = thread::Builder::new().name("printer".into()).spawn(move || {
            let printed = print(receiver, most);
            if printed.failed.is_some() {
                run.cancel();
            }
            printed
        })?;
        Ok((sender, Self(thread)))
    }

    /// Waits until everything is printed, which needs the sender to be gone.
    pub(crate) fn finish(self) -> Printed {
        self.0.join().unwrap_or_else(|_| Printed {
            failed: Some(io::Error::other("the printer broke")),
            ..Printed::default()
        })
    }
}

fn print(mut receiver: Receiver<OutputRequest>, most: u64) -> Printed {
    let mut stdout = Sink::new(io::stdout(), most);
    let mut stderr = Sink::new(io::stderr(), most);
    let mut failed = None;
    while let Some(piece) = receiver.blocking_recv() {
        let printed = match piece.stream {
            OutputStream::Stdout => stdout.print(&piece.bytes),
            OutputStream::Stderr => stderr.print(&piece.bytes),
        };
        if let Err(error) = printed {
            failed = Some(error);
            break;
        }
    }
    if failed.is_none() {
        failed = stdout.end().and_then(|()| stderr.end()).err();
    }
    Printed { stdout_cut: stdout.cut, stderr_cut: stderr.cut, failed }
}

/// One of this program's streams: bytes as they are, but to a terminal nothing that
/// could control it.
struct Sink<W> {
    to: W,
    /// How much more may come.
    room: u64,
    cut: bool,
    terminal: Option<Pieces>,
}

impl<W: Write + IsTerminal> Sink<W> {
    fn new(to: W, room: u64) -> Self {
        let terminal = to.is_terminal().then(Pieces::default);
        Self { to, room, cut: false, terminal }
    }

    fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.cut |= kept.len() < bytes.len();
        self.room = self.room.saturating_sub(u64::try_from(kept.len()).unwrap_or(u64::MAX));
        match &mut self.terminal {
            Some(pieces) => self.to.write_all(pieces.next(kept).as_bytes())?,
            None => self.to.write_all(kept)?,
        }
        self.to.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(pieces) = &mut self.terminal {
            self.to.write_all(pieces.last().as_bytes())?;
        }
        self.to.flush()
    }
}
