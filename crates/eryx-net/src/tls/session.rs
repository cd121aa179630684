use super::records::Records;
use crate::bindings::eryx::net::tls::{Agreement, Version};
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::budget::Place;
use crate::error::{failure, want_read, want_write};
use crate::secret::Rewriter;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Bytes of records kept for the peer.
const MOST_RECORDS: usize = 256 << 10;

/// Plain bytes taken at once.
const MOST_PLAIN: usize = 64 << 10;

/// How often one call looks for more records: a peer that sends without end
/// must not keep the host busy.
const MOST_PULLS: usize = 64;

/// What carries a session's records.
pub(crate) trait Lower {
    /// Fills `buffer` from the front; 0 says that no more will come.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure>;
    /// How many bytes were taken.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Failure>;
}

/// One side of a TLS connection: the client's.
pub(crate) struct Session {
    tls: ClientConnection,
    verified: bool,
    /// The connection it lies on; without one it is in memory.
    pub(crate) connection: Option<u32>,
    /// Records from the peer that rustls has not seen.
    inbound: Records,
    /// There will be no more of them.
    ended: bool,
    /// Records for the peer; what is in memory is taken by the guest.
    outbound: VecDeque<u8>,
    /// Plain bytes that were taken, though the guest was told to try again.
    promised: Option<usize>,
    /// Puts secrets in the place of what stands for them, and back.
    rewriter: Option<Rewriter>,
    /// Plain bytes from the peer that the guest may have, where there are secrets.
    ready: VecDeque<u8>,
    failed: Option<Failure>,
    _place: Place,
}

impl Session {
    pub(crate) fn new(
        config: ClientConfig,
        name: ServerName<'static>,
        verified: bool,
        connection: Option<u32>,
        rewriter: Option<Rewriter>,
        place: Place,
    ) -> Result<Self, Failure> {
        let tls =
            ClientConnection::new(Arc::new(config), name).map_err(|error| described(&error))?;
        Ok(Self {
            tls,
            verified,
            connection,
            inbound: Records::default(),
            ended: false,
            outbound: VecDeque::new(),
            promised: None,
            rewriter,
            ready: VecDeque::new(),
            failed: None,
            _place: place,
        })
    }

    /// Whether the server's certificate counts.
    #[cfg(test)]
    pub(crate) fn is_verified(&self) -> bool {
        self.verified
    }

    /// Goes on with the handshake as far as can be now.
    pub(crate) fn handshake(&mut self, lower: &mut dyn Lower) -> Result<(), Failure> {
        loop {
            self.push(lower)?;
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            if self.ended && self.inbound.is_empty() {
                return Err(failure(Code::Truncated, "the peer went away during the handshake"));
            }
            self.pull(lower)?;
        }
    }

    /// Plain bytes into `buffer`, as many as are there; 0 says that the peer has
    /// taken its leave.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        lower: &mut dyn Lower,
    ) -> Result<usize, Failure> {
        if self.rewriter.is_none() {
            return self.receive_as_it_is(buffer, lower);
        }
        loop {
            let taken = self.ready.read(buffer).unwrap_or_default();
            if taken > 0 || buffer.is_empty() {
                return Ok(taken);
            }
            let received = self.receive_as_it_is(buffer, lower);
            let Some(rewriter) = &mut self.rewriter else { return received };
            let mut plain = Vec::new();
            match &received {
                Ok(length @ 1..) => {
                    rewriter.clean(buffer.get(..*length).unwrap_or_default(), &mut plain);
                }
                Err(failure) if failure.code == Code::WantRead => rewriter.stall(&mut plain),
                // More may come in the next run.
                Err(failure) if failure.code == Code::Limit => {}
                // What there is comes first; the end is told next time.
                Ok(_) | Err(_) => rewriter.end(&mut plain),
            }
            if plain.is_empty() && !matches!(received, Ok(1..)) {
                return received;
            }
            self.ready.extend(plain);
        }
    }

    /// As the peer has sent it.
    fn receive_as_it_is(
        &mut self,
        buffer: &mut [u8],
        lower: &mut dyn Lower,
    ) -> Result<usize, Failure> {
        self.push_what_goes(lower);
        let mut filled = 0;
        let mut pulls = 0..MOST_PULLS;
        while let Some(room) = buffer.get_mut(filled..)
            && !room.is_empty()
        {
            match self.tls.reader().read(room) {
                Ok(0) => break,
                Ok(length) => {
                    filled += length;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // What there is comes first; the end is told next time.
                Err(_) if filled > 0 => break,
                Err(_) => {
                    let message = "the peer went away without ending TLS";
                    return Err(failure(Code::Truncated, message));
                }
            }
            let pulled = pulls.next().map_or_else(|| Err(want_read()), |_| self.pull(lower));
            match pulled {
                Ok(()) => self.push_what_goes(lower),
                Err(_) if filled > 0 => break,
                Err(failure) => return Err(failure),
            }
        }
        Ok(filled)
    }

    /// How many of `bytes` were taken. After `want-write` the same bytes must
    /// come again: they are taken already.
    pub(crate) fn send(&mut self, bytes: &[u8], lower: &mut dyn Lower) -> Result<usize, Failure> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.push(lower)?;
        if let Some(length) = self.promised.take() {
            return Ok(length.min(bytes.len()));
        }
        if self.tls.is_handshaking() {
            return Err(failure(Code::Invalid, "the handshake is not finished"));
        }
        let taken = bytes.get(..MOST_PLAIN).unwrap_or(bytes);
        match &mut self.rewriter {
            None => self.write(taken)?,
            Some(rewriter) => {
                let plain = rewriter.rewrite(taken).map_err(|refused| {
                    self.failed.insert(failure(Code::Denied, refused.to_string())).clone()
                })?;
                self.write(&plain)?;
            }
        }
        match self.push(lower) {
            Ok(()) => Ok(taken.len()),
            Err(failure) => {
                self.promised = Some(taken.len());
                Err(failure)
            }
        }
    }

    fn write(&mut self, plain: &[u8]) -> Result<(), Failure> {
        // Without a limit of its own rustls takes everything.
        self.tls.set_buffer_limit(None);
        let written = self.tls.writer().write_all(plain);
        written.map_err(|_| failure(Code::Broken, "the TLS session takes no more bytes"))
    }

    /// Plain bytes that are there without a look at what lies below.
    pub(crate) fn pending(&mut self) -> Result<usize, Failure> {
        loop {
            let mut there = self.process()?;
            if let Some(rewriter) = &mut self.rewriter {
                let mut plain = Vec::new();
                let mut piece = [0; 4096];
                while self.ready.len() + plain.len() < MOST_PLAIN
                    && let Ok(length @ 1..) = self.tls.reader().read(&mut piece)
                {
                    rewriter.clean(piece.get(..length).unwrap_or_default(), &mut plain);
                }
                self.ready.extend(plain);
                there = self.ready.len();
            }
            if there > 0 || self.inbound.is_empty() || !self.digest()? {
                return Ok(there);
            }
        }
    }

    /// Takes leave and waits until the peer has, too.
    pub(crate) fn shut_down(&mut self, lower: &mut dyn Lower) -> Result<(), Failure> {
        self.tls.send_close_notify();
        self.push(lower)?;
        for _ in 0..MOST_PULLS {
            let state = self.tls.process_new_packets().map_err(|error| described(&error))?;
            if state.peer_has_closed() || self.ended {
                return Ok(());
            }
            // What the peer still has to say, nobody wants to hear.
            let mut unwanted = [0; 4096];
            while matches!(self.tls.reader().read(&mut unwanted), Ok(1..)) {}
            self.pull(lower)?;
        }
        Err(want_read())
    }

    pub(crate) fn agreement(&self) -> Result<Agreement, Failure> {
        let (Some(version), Some(suite)) =
            (self.tls.protocol_version(), self.tls.negotiated_cipher_suite())
        else {
            return Err(failure(Code::Invalid, "the handshake is not finished"));
        };
        Ok(Agreement {
            version: if version == ProtocolVersion::TLSv1_3 {
                Version::Tls13
            } else {
                Version::Tls12
            },
            cipher: suite.suite().as_str().unwrap_or("unknown").to_owned(),
            protocol: self.tls.alpn_protocol().map(<[u8]>::to_vec),
            resumed: self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        })
    }

    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        let found = self.tls.peer_certificates().unwrap_or_default();
        found.iter().map(|certificate| certificate.to_vec()).collect()
    }

    /// Records from the peer, brought by the guest; how many bytes fitted.
    pub(crate) fn feed(&mut self, records: &[u8]) -> usize {
        self.inbound.push(records)
    }

    pub(crate) fn feed_end(&mut self) {
        self.ended = true;
    }

    /// Records for the peer, taken by the guest.
    pub(crate) fn drain(&mut self, limit: usize) -> Vec<u8> {
        let rest = self.outbound.split_off(limit.min(self.outbound.len()));
        std::mem::replace(&mut self.outbound, rest).into()
    }

    /// Lets rustls see more of what the peer has sent.
    fn pull(&mut self, lower: &mut dyn Lower) -> Result<(), Failure> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.inbound.is_empty() && !self.ended {
            self.ended = self.inbound.fill(|room| lower.receive(room))? == 0;
        }
        self.digest()?;
        self.process().map(drop).inspect_err(|_| {
            // The peer is told why; that it hears it is not certain.
            let _ = self.push(lower);
        })
    }

    /// Moves records on to rustls; whether it took any.
    fn digest(&mut self) -> Result<bool, Failure> {
        match self.tls.read_tls(&mut self.inbound) {
            Ok(length) => Ok(length > 0),
            Err(_) => Err(failure(Code::Protocol, "the peer sent more than TLS can hold")),
        }
    }

    /// Has rustls look at the records; how many plain bytes it has.
    fn process(&mut self) -> Result<usize, Failure> {
        match self.tls.process_new_packets() {
            Ok(state) => Ok(state.plaintext_bytes_to_read()),
            Err(error) => Err(self.failed.insert(described(&error)).clone()),
        }
    }

    /// Sends all records there are; `want-write` if something is left.
    fn push(&mut self, lower: &mut dyn Lower) -> Result<(), Failure> {
        loop {
            while self.tls.wants_write() && self.outbound.len() < MOST_RECORDS {
                if self.tls.write_tls(&mut self.outbound).is_err() {
                    return Err(failure(Code::Other, "the records cannot be kept"));
                }
            }
            if self.connection.is_none() {
                // The guest fetches them.
                return if self.tls.wants_write() { Err(want_write()) } else { Ok(()) };
            }
            let (front, _) = self.outbound.as_slices();
            if front.is_empty() {
                return Ok(());
            }
            let length = lower.send(front)?;
            self.outbound.drain(..length.min(self.outbound.len()));
        }
    }

    /// Sends what can be sent now. Bytes that came before the connection broke
    /// can still be read, so a failure is left to who sends next.
    fn push_what_goes(&mut self, lower: &mut dyn Lower) {
        if let Err(failure) = self.push(lower)
            && failure.code != Code::WantWrite
        {
            tracing::debug!(code = ?failure.code, "records were not sent");
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("connection", &self.connection)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}

/// In memory: the guest brings and fetches the records.
pub(crate) struct InMemory;

impl Lower for InMemory {
    fn receive(&mut self, _buffer: &mut [u8]) -> Result<usize, Failure> {
        Err(want_read())
    }

    fn send(&mut self, _bytes: &[u8]) -> Result<usize, Failure> {
        Err(want_write())
    }
}

/// What went wrong, in words that are safe to show: rustls's own.
fn described(error: &rustls::Error) -> Failure {
    let code = match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Code::Certificate
        }
        _ => Code::Protocol,
    };
    failure(code, error.to_string())
}
