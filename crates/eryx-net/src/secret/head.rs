use super::replacer::{Encoding, Replacer};
use super::scrubber::Scrubber;
use super::{Refused, Secret};
use crate::http::{decimal, field, is_one_line, trimmed};
use crate::policy::HostName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

/// A method has fewer letters.
const LONGEST_METHOD: usize = 20;

/// The head of a request.
pub(super) struct Head {
    /// Method, target and version.
    request: Vec<u8>,
    /// Names and values as they came.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How a request's body is delimited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// What follows is not HTTP with this server.
    Tunnel,
}

impl Head {
    /// Reads a head up to and with its empty line.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_suffix(b"\r\n\r\n")?;
        let mut lines = split_lines(text);
        let request = lines.next().filter(|line| is_one_line(line))?.to_vec();
        let fields = lines.map(field).collect::<Option<_>>()?;
        Some(Self { request, fields })
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter();
        let found = fields.filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| trimmed(value))
    }

    /// Whether the request is for `host`: so says its one `Host`, and its target
    /// says nothing else.
    pub(super) fn is_for(&self, host: &HostName) -> bool {
        let mut hosts = self.values("host");
        let told = hosts.next().filter(|_| hosts.next().is_none());
        let target = self.request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let own_target = match target {
            [b'/', ..] | b"*" => true,
            _ => authority(target).is_some_and(|named| is_host(named, host)),
        };
        own_target && told.is_some_and(|told| is_host(told, host))
    }

    /// Whether the server is asked to send back what it gets.
    pub(super) fn asks_for_an_echo(&self) -> bool {
        [&b"TRACE "[..], b"TRACK "].iter().any(|method| self.request.starts_with(method))
    }

    pub(super) fn asks_for_a_head(&self) -> bool {
        self.request.starts_with(b"HEAD ")
    }

    /// The code of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        let line = self.request.strip_prefix(b"HTTP/1.")?;
        let [b'0'..=b'9', b' ', code @ ..] = line else { return None };
        let digits = code.split(|byte| *byte == b' ').next().filter(|digits| digits.len() == 3)?;
        decimal(digits)?.try_into().ok()
    }

    /// Whether an answer says where its body ends.
    pub(super) fn tells_length(&self) -> bool {
        self.fields.iter().any(|(name, _)| is_telling(name))
    }

    /// Puts placeholders back into an answer, but for what says where it ends.
    pub(super) fn scrub(&mut self, scrubber: &mut Scrubber, room: &mut usize) {
        let (line, reason) = self.request.split_at(self.request.len().min(13));
        self.request = [line, &scrubber.whole(reason, Some(room))].concat();
        for (name, value) in &mut self.fields {
            if !(is_telling(name) && tells(value)) {
                *name = scrubber.whole(name, Some(room));
                *value = scrubber.whole(value, Some(room));
            }
        }
    }

    /// Has the answer come as it is: in what is compressed nothing can be found.
    pub(super) fn accept_only_plain(&mut self) {
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case(b"accept-encoding") {
                *value = b" identity".to_vec();
            }
        }
    }

    /// Where a request's body ends.
    pub(super) fn framing(&self) -> Result<Framing, Refused> {
        if self.request.starts_with(b"CONNECT ") {
            return Ok(Framing::Tunnel);
        }
        self.delimited(self.is_http_1_1())
    }

    /// Where an answer's body ends that says so.
    pub(super) fn answer_framing(&self) -> Result<Framing, Refused> {
        self.delimited(self.request.starts_with(b"HTTP/1.1 "))
    }

    /// Of HTTP/1.0, which knows no chunks, some read chunks and others do not.
    fn delimited(&self, knows_chunks: bool) -> Result<Framing, Refused> {
        let lengths: Vec<_> = self.values("content-length").collect();
        let codings: Vec<_> = self.values("transfer-encoding").collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(Framing::Length(0)),
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && knows_chunks => {
                Ok(Framing::Chunked)
            }
            ([length], []) => decimal(length).map(Framing::Length).ok_or(Refused::Ambiguous),
            _ => Err(Refused::Ambiguous),
        }
    }

    /// Whether the peer knows of chunks.
    pub(super) fn is_http_1_1(&self) -> bool {
        self.request.ends_with(b" HTTP/1.1")
    }

    /// Whether the guest waits for an answer before it sends the body.
    pub(super) fn expects_answer(&self) -> bool {
        self.is_http_1_1() && self.values("expect").next().is_some()
    }

    pub(super) fn body_encoding(&self) -> Encoding {
        Encoding::of_content(self.values("content-type").next().unwrap_or_default())
    }

    /// Puts values into fields and, for those that go there, into the target. Tells
    /// `learn` of texts in which values cannot be seen, and of what was there before.
    pub(super) fn put(
        &mut self,
        secrets: &[Secret],
        room: &mut usize,
        mut learn: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Refused> {
        let mut plain = Replacer::new(secrets, Encoding::Plain);
        for (name, value) in &mut self.fields {
            *value = match basic(name, value) {
                Some(credentials) => {
                    let put = plain.replace(&credentials, room)?;
                    if put != credentials {
                        learn(
                            STANDARD.encode(&put).as_bytes(),
                            STANDARD.encode(credentials).as_bytes(),
                        );
                    }
                    [b" Basic ", STANDARD.encode(put).as_bytes()].concat()
                }
                None => plain.replace(value, room)?,
            };
        }
        let in_target = secrets.iter().filter(|secret| secret.in_target);
        self.request = Replacer::new(in_target, Encoding::Percent).replace(&self.request, room)?;
        Ok(())
    }

    pub(super) fn set_length(&mut self, length: usize) {
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case(b"content-length") {
                *value = format!(" {length}").into_bytes();
            }
        }
    }

    /// Has the body come in chunks.
    pub(super) fn set_chunked(&mut self) {
        self.fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"));
        self.fields.push((b"Transfer-Encoding".to_vec(), b" chunked".to_vec()));
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.request.clone();
        for (name, value) in &self.fields {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(name);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"\r\n\r\n");
        out
    }
}

/// Whether a field says where a body ends.
fn is_telling(name: &[u8]) -> bool {
    let telling: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];
    telling.iter().any(|telling| name.eq_ignore_ascii_case(telling))
}

/// Whether it says so in a way that can be understood.
fn tells(value: &[u8]) -> bool {
    let value = trimmed(value);
    value.eq_ignore_ascii_case(b"chunked") || decimal(value).is_some()
}

pub(super) enum FirstLine {
    Unknown,
    Http,
    NotHttp,
}

/// Whether `bytes`, whose first line ends at `end`, begin like a request of HTTP/1.1.
pub(super) fn first_line(bytes: &[u8], end: Option<usize>) -> FirstLine {
    let method =
        bytes.iter().take(LONGEST_METHOD).take_while(|byte| byte.is_ascii_uppercase()).count();
    match bytes.get(method) {
        None if method < LONGEST_METHOD => return FirstLine::Unknown,
        Some(b' ') if (1..LONGEST_METHOD).contains(&method) => {}
        _ => return FirstLine::NotHttp,
    }
    match end {
        None => FirstLine::Unknown,
        Some(end) => match bytes.get(..end) {
            Some(line) if line.ends_with(b" HTTP/1.1\r") || line.ends_with(b" HTTP/1.0\r") => {
                FirstLine::Http
            }
            _ => FirstLine::NotHttp,
        },
    }
}

fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match memmem::find(text, b"\r\n") {
            Some(end) => {
                rest = text.get(end + 2..);
                text.get(..end)
            }
            None => rest.take(),
        }
    })
}

/// User and password of a field that has them.
fn basic(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let known: [&[u8]; 2] = [b"authorization", b"proxy-authorization"];
    if !known.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return None;
    }
    let (scheme, credentials) = trimmed(value).split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| STANDARD.decode(trimmed(credentials)).ok())?
}

/// The host and port of a target that is a whole URL.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let start = memmem::find(target, b"://")? + 3;
    target.get(start..)?.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()
}

/// Whether a `Host` value names `host`, with or without a port.
fn is_host(value: &[u8], host: &HostName) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let name = match text.split_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return false,
        None => text,
    };
    name.parse::<HostName>().is_ok_and(|name| name == *host)
}
