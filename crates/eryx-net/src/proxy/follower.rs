use super::request::{self, Asks, Line};
use super::{Target, Unclear};
use crate::http::{chunk_size, decimal, field, is_one_line, trimmed};

/// Bytes of a line.
const MOST_LINE: usize = 64 << 10;

/// Follows what is sent on a connection from request to request, as long as it is
/// HTTP/1.1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Follower {
    at: At,
    /// The beginning of a line that is not over.
    line: Vec<u8>,
    /// What `CONNECT` was last said for.
    connected: Option<Target>,
}

#[derive(Debug, Clone, Default)]
enum At {
    /// Before a request, or in its first line.
    #[default]
    Request,
    Head(Head),
    /// So many bytes of a body are left.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// No HTTP, or no more of it.
    Opaque,
}

/// What a head has told of its body.
#[derive(Debug, Clone, Default)]
struct Head {
    most: Most,
    length: Option<u64>,
    chunked: bool,
    /// A line has ended without a carriage return: not everybody takes that for an end.
    loose: bool,
}

/// What a body may be at most, if it is to mean one thing to all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Most {
    #[default]
    Nothing,
    Length,
    Chunks,
}

impl Follower {
    /// What a proxy was last asked to lead to.
    pub(crate) fn connected(&self) -> Option<&Target> {
        self.connected.as_ref()
    }

    /// `bytes` come next. What a proxy would be asked for, one after the other.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) -> Result<Vec<Target>, Unclear> {
        let mut asked = Vec::new();
        while !bytes.is_empty() {
            match &mut self.at {
                At::Opaque => break,
                At::Body(left) => {
                    skip(&mut bytes, left);
                    if *left == 0 {
                        self.at = At::Request;
                    }
                }
                At::Chunk(left) => {
                    skip(&mut bytes, left);
                    if *left == 0 {
                        self.at = At::ChunkEnd;
                    }
                }
                _ => {
                    if let Some(line) = self.whole_line(&mut bytes)? {
                        asked.extend(self.take(&line)?);
                    }
                }
            }
        }
        Ok(asked)
    }

    /// Takes bytes up to and with the end of a line; the line with a carriage return, if
    /// it has one.
    fn whole_line(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, Unclear> {
        let before = matches!(self.at, At::Request);
        if before && self.line.is_empty() {
            // Empty lines before a request are no part of it.
            let spaces = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            *bytes = bytes.get(spaces..).unwrap_or_default();
        }
        let end = memchr::memchr(b'\n', bytes);
        let (part, rest) = match end {
            Some(end) => (bytes.get(..end), bytes.get(end + 1..)),
            None => (Some(*bytes), None),
        };
        self.line.extend_from_slice(part.unwrap_or_default());
        *bytes = rest.unwrap_or_default();
        if before && !self.line.is_empty() && !request::may_be_http(&self.line) {
            self.end();
            return Ok(None);
        }
        if self.line.len() > MOST_LINE {
            if !before || request::would_count(&self.line) {
                return Err(Unclear::TooLong);
            }
            self.end();
            return Ok(None);
        }
        Ok(end.map(|_| std::mem::take(&mut self.line)))
    }

    /// Nothing more is looked at.
    fn end(&mut self) {
        self.at = At::Opaque;
        self.line = Vec::new();
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Target>, Unclear> {
        let (line, loose) = match line.strip_suffix(b"\r") {
            Some(line) => (line, false),
            None => (line, true),
        };
        match &mut self.at {
            At::Request => return self.begin(line, loose),
            At::Head(head) if line.is_empty() => {
                head.loose |= loose;
                self.at = head.body()?;
            }
            At::Head(head) => {
                head.loose |= loose;
                head.field(line)?;
            }
            At::ChunkSize | At::ChunkEnd | At::Trailer if loose || !is_one_line(line) => {
                return Err(Unclear::Ambiguous);
            }
            At::ChunkSize => {
                self.at = match chunk_size(line).ok_or(Unclear::Ambiguous)? {
                    0 => At::Trailer,
                    size => At::Chunk(size),
                }
            }
            At::ChunkEnd if line.is_empty() => self.at = At::ChunkSize,
            At::Trailer if line.is_empty() => self.at = At::Request,
            At::Trailer => {}
            At::ChunkEnd | At::Body(_) | At::Chunk(_) | At::Opaque => {
                return Err(Unclear::Ambiguous);
            }
        }
        Ok(None)
    }

    fn begin(&mut self, line: &[u8], loose: bool) -> Result<Option<Target>, Unclear> {
        let Line::Http { asks, knows_chunks } = request::read(line)? else {
            self.end();
            return Ok(None);
        };
        let is_connect = matches!(asks, Some(Asks::Connect(_)));
        let most = match knows_chunks {
            _ if is_connect => Most::Nothing,
            true => Most::Chunks,
            false => Most::Length,
        };
        self.at = At::Head(Head { most, loose, ..Head::default() });
        let asked = asks.map(|(Asks::Connect(target) | Asks::Fetch(target))| target);
        if is_connect {
            self.connected.clone_from(&asked);
        }
        Ok(asked)
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), Unclear> {
        let (name, value) = field(line).ok_or(Unclear::Ambiguous)?;
        let value = trimmed(&value);
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = decimal(value).ok_or(Unclear::Ambiguous)?;
            if self.length.replace(length).is_some_and(|other| other != length) {
                return Err(Unclear::Ambiguous);
            }
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unclear::Ambiguous);
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// What follows the head.
    fn body(&self) -> Result<At, Unclear> {
        match (self.chunked, self.length) {
            (false, None | Some(0)) => Ok(At::Request),
            _ if self.loose || self.most == Most::Nothing => Err(Unclear::Ambiguous),
            (false, Some(left)) => Ok(At::Body(left)),
            (true, None) if self.most == Most::Chunks => Ok(At::ChunkSize),
            (true, _) => Err(Unclear::Ambiguous),
        }
    }
}

/// Takes what belongs to the `left` bytes.
fn skip(bytes: &mut &[u8], left: &mut u64) {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let rest = bytes.get(most..).unwrap_or_default();
    *left = left.saturating_sub(u64::try_from(bytes.len() - rest.len()).unwrap_or(u64::MAX));
    *bytes = rest;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fuzzing::asked;

    fn followed(stream: &str) -> Result<Vec<String>, Unclear> {
        let whole = asked(stream.as_bytes(), usize::MAX);
        assert_eq!(asked(stream.as_bytes(), 1), whole, "{stream:?}");
        whole
    }

    const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\n";

    #[test]
    fn a_proxy_is_asked_after_other_requests_too() {
        for before in [
            "",
            "\r\n\n \t\r\n",
            "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.0\n\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345",
            "POST / HTTP/1.1\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\n12345\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\n123\r\n0\r\nA: b\r\n\r\n",
            "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        ] {
            assert_eq!(
                followed(&format!("{before}{CONNECT}")).unwrap(),
                ["a.test:443"],
                "{before}"
            );
        }
        let many = "GET http://a.test/ HTTP/1.1\r\n\r\nCONNECT b.test:1 HTTP/1.1\r\n\r\n\
                    CONNECT c.test:2 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(followed(many).unwrap(), ["a.test:80", "b.test:1", "c.test:2"]);
        let mut follower = Follower::default();
        follower.follow(many.as_bytes()).unwrap();
        assert_eq!(follower.connected().unwrap().port, 2);
    }

    #[test]
    fn what_is_no_request_asks_for_nothing() {
        for before in [
            "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
            "POST / HTTP/1.1\r\nA: ",
            "GET /",
            "\0",
            "*1\r\n",
            "\u{16}\u{3}\u{1}",
            "CONNECT\n",
            "EHLO a.test\r\n",
            "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\u{1}",
        ] {
            assert_eq!(followed(&format!("{before}{CONNECT}")), Ok(vec![]), "{before}");
        }
        assert_eq!(followed("CONNECT a.test:443 HTTP/1.1\r"), Ok(vec![]));
        let long = format!("{}\r\n{CONNECT}", "word ".repeat(MOST_LINE));
        assert_eq!(asked(long.as_bytes(), 1000), Ok(vec![]));
    }

    #[test]
    fn what_could_be_two_things_is_refused() {
        for (stream, why) in [
            ("CONNECT 127.1:80 HTTP/1.1\r\n", Unclear::Target),
            ("GET http://127.1/ HTTP/1.1\r\n", Unclear::Target),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n", Unclear::Ambiguous),
            ("POST / HTTP/1.1\r\nContent-Length: +5\r\n", Unclear::Ambiguous),
            ("POST / HTTP/1.1\r\nContent-Length : 5\r\n", Unclear::Ambiguous),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n", Unclear::Ambiguous),
            ("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n", Unclear::Ambiguous),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Unclear::Ambiguous),
            (
                "POST / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
                Unclear::Ambiguous,
            ),
            ("POST / HTTP/1.1\r\nA: b\nContent-Length: 5\r\n\r\n", Unclear::Ambiguous),
            ("POST / HTTP/1.1\r\nA: b\rContent-Length: 5\r\n", Unclear::Ambiguous),
            ("CONNECT a.test:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Unclear::Ambiguous),
            ("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\n", Unclear::Ambiguous),
            ("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\n", Unclear::Ambiguous),
            ("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n12\r\n", Unclear::Ambiguous),
        ] {
            assert_eq!(followed(stream), Err(why), "{stream:?}");
        }
        let long = "a".repeat(MOST_LINE);
        for line in [
            format!("CONNECT {long}:443 HTTP/1.1\r\n"),
            format!("GET /{long} HTTP/1.1\r\n"),
            format!("GET http://{long}"),
            format!("GET / HTTP/1.1\r\nA: {long}"),
        ] {
            assert_eq!(asked(line.as_bytes(), 1000), Err(Unclear::TooLong));
            assert_eq!(asked(line.as_bytes(), usize::MAX), Err(Unclear::TooLong));
        }
    }
}
