//! What a server makes of what is sent: a reader of its own, of whole streams.

use memchr::memmem;
use std::fmt;

/// A request, or a part of one, or what is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Method, target and version.
    pub(super) request: Vec<u8>,
    /// Names and values, without those that say where the body ends.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, out of its chunks.
    pub(super) body: Vec<u8>,
    pub(super) trailer: Vec<u8>,
    /// What is no HTTP, and all that follows.
    pub(super) opaque: Vec<u8>,
    /// The end is missing.
    pub(super) cut: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.request.escape_ascii())?;
        for (name, value) in &self.fields {
            write!(f, "|{}:{}", name.escape_ascii(), shown(value))?;
        }
        let Self { body, trailer, opaque, cut, .. } = self;
        write!(f, "||{}|{}|{}|{cut}]", shown(body), shown(trailer), shown(opaque))
    }
}

/// As much of a text as anybody looks at.
pub(super) fn shown(text: &[u8]) -> impl fmt::Display {
    text[..text.len().min(200)].escape_ascii()
}

pub(super) fn read(stream: &[u8]) -> Vec<Message> {
    let mut rest = stream;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        messages.push(message(&mut rest));
    }
    messages
}

fn message(rest: &mut &[u8]) -> Message {
    let line = memmem::find(rest, b"\n").map(|end| &rest[..end]);
    let versions: [&[u8]; 2] = [b" HTTP/1.1\r", b" HTTP/1.0\r"];
    if !line.is_some_and(|line| versions.iter().any(|version| line.ends_with(version)))
        || !has_method(rest)
    {
        return Message { opaque: std::mem::take(rest).to_vec(), ..Message::default() };
    }
    let end = memmem::find(rest, b"\r\n\r\n").expect("a head is sent whole");
    let head = take(rest, end + 4);
    let mut lines = head[..end]
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut message = Message { request: lines.next().unwrap().to_vec(), ..Message::default() };
    let tunnel = message.request.starts_with(b"CONNECT ");
    let (mut length, mut chunked) = (0, false);
    for line in lines {
        let colon = memmem::find(line, b":").expect("a field has a colon");
        let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
        match name.to_ascii_lowercase().as_slice() {
            b"content-length" if !tunnel => {
                length = String::from_utf8_lossy(value).parse().unwrap();
            }
            b"transfer-encoding" => chunked = true,
            _ => message.fields.push((name.to_vec(), value.to_vec())),
        }
    }
    if tunnel {
        message.opaque = std::mem::take(rest).to_vec();
    } else if chunked {
        message.chunks(rest);
    } else {
        message.cut = length > rest.len();
        message.body = take(rest, length.min(rest.len())).to_vec();
    }
    message
}

fn has_method(text: &[u8]) -> bool {
    let method = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    (1..20).contains(&method.len()) && method.iter().all(u8::is_ascii_uppercase)
}

/// Without the spaces around it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, others) = rest.split_at(length);
    *rest = others;
    taken
}

/// A line without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memmem::find(rest, b"\r\n")?;
    Some(&take(rest, end + 2)[..end])
}

impl Message {
    fn chunks(&mut self, rest: &mut &[u8]) {
        self.cut = true;
        // A chunk that is sent is sent whole, so the data may end between two only.
        while let Some(size) = line(rest) {
            let size = std::str::from_utf8(size).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                break;
            }
            self.body.extend_from_slice(take(rest, size));
            assert_eq!(line(rest), Some(&b""[..]), "a chunk ends with a line");
        }
        while let Some(text) = line(rest) {
            if text.is_empty() {
                self.cut = false;
                return;
            }
            self.trailer.extend_from_slice(text);
            self.trailer.push(b'\n');
        }
        assert!(rest.is_empty(), "between chunks there is nothing else");
    }

    /// Whether the request is for this server: so says its one `Host`, and if its
    /// target is a URL, that does too.
    pub(super) fn is_for(&self, server: &str) -> bool {
        let is = |name: &str| {
            let name = name.to_ascii_lowercase();
            let name = name.split_once(':').map_or(&*name, |(name, port)| {
                if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { "" }
            });
            name.strip_suffix('.').unwrap_or(name) == server
        };
        let request = String::from_utf8_lossy(&self.request);
        let target = request.split(' ').nth(1).unwrap_or("");
        let authority = target
            .split_once("://")
            .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
        let mut hosts = self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        let (Some((_, host)), None) = (hosts.next(), hosts.next()) else { return false };
        is(&String::from_utf8_lossy(host))
            && (target.starts_with('/') || target == "*" || authority.is_some_and(is))
    }
}
