//! Requests of which all is known before they are written.

use super::input::Input;
use super::reader::Message;
use super::setting::{KEYS, Setting, json, percent, plain};
use crate::secret::chunks::MOST_LINE;
use crate::secret::replacer::MOST_GROWTH;
use crate::secret::rewriter::{MOST_HEAD, MOST_WHOLE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a value is written.
type Encode = fn(&str) -> String;

/// What says which server a request is for, and whether that is ours.
const HOSTS: &[(&str, bool)] = &[
    ("Host: api.example.com", true),
    ("Host: api.example.com", true),
    ("host:API.Example.com:443 ", true),
    ("HOST: api.example.com.", true),
    ("Host: other.example.com", false),
    ("Host: api.example.com\r\nHost: api.example.com", false),
    ("Host: api.example.com.evil.com", false),
    ("Host: evil.com:api.example.com", false),
    ("Host: \x0capi.example.com", false),
    ("X-Host: api.example.com", false),
];

/// Targets, and whether they are for our server if `Host` is.
const TARGETS: &[(&str, bool)] = &[
    ("/", true),
    ("/a?b=", true),
    ("*", true),
    ("http://api.example.com/", true),
    ("https://API.example.com:443?", true),
    ("http://evil.com/", false),
    ("http://api.example.com@evil.com/", false),
    ("http://evil.com#http://api.example.com/", false),
    ("api.example.com:443", false),
];

/// Kinds of bodies, and how values are written there.
const KINDS: &[(&str, Encode)] = &[
    ("text/plain", plain),
    ("application/x-www-form-urlencoded", percent),
    ("Application/JSON; charset=utf-8", json),
    ("application/problem+json", json),
];

/// Lines with which a request could be two.
const FAULTS: &[&str] = &[
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "Content-Length: 3\r\nContent-Length: 3",
    "Transfer-Encoding: \x0bchunked\r\nA: b",
    "Transfer-Encoding: \x0cchunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Length: +3",
    "Content-Length: \x0c3",
    "Content-Length:",
    "Content-Length: 99999999999999999999",
    "A: b\r\n folded",
    "A: b\nB: c",
    "A: b\rB: c",
    "A : b",
    "A",
    ": b",
];

/// Lines that are the size of no chunk.
const NO_SIZES: &[&str] = &["", "-1", "g", "0x3", "10000000000000000", "3\n", ";a"];

pub(super) struct Model<'a> {
    setting: &'a Setting,
    requests: Vec<Request>,
    /// What follows is no HTTP.
    rest: Option<String>,
}

struct Request {
    method: &'static str,
    target: (&'static str, bool),
    query: String,
    version: &'static str,
    host: (&'static str, bool),
    fields: Vec<Field>,
    body: Body,
    fault: Option<&'static str>,
    /// Bytes of the head without its end.
    padded: Option<usize>,
}

enum Field {
    Plain(String, String),
    /// How the scheme is written, and the credentials.
    Basic(&'static str, String),
    Kind(usize),
    Expect,
}

enum Body {
    None,
    Length(String),
    Chunked { chunks: Vec<(String, String)>, trailer: Vec<String>, wrong: bool },
}

/// Text with placeholders, and with what is nearly one.
fn text(input: &mut Input<'_>) -> String {
    let mut text = String::new();
    for _ in 0..input.byte() % 5 {
        match input.byte() % 8 {
            0..=2 => text += KEYS[0],
            3 => text += KEYS[1],
            4 => text += KEYS[2],
            5 => text += KEYS[0].split_at(usize::from(input.byte()) % 44).0,
            6 => text += KEYS[0].split_at(usize::from(input.byte()) % 44).1,
            _ => text += &input.text(12),
        }
    }
    text
}

/// As a server sees a value.
fn trimmed(value: &str) -> String {
    value.trim_matches([' ', '\t']).to_owned()
}

impl<'a> Model<'a> {
    pub(super) fn decode(setting: &'a Setting, input: &mut Input<'_>) -> Self {
        let count = 1 + input.byte() % 3;
        let requests = (0..count).map(|_| Request::decode(input)).collect();
        let rest = (input.byte() % 4 == 3).then(|| format!("\u{1}{}", text(input)));
        Self { setting, requests, rest }
    }

    pub(super) fn stream(&self) -> Vec<u8> {
        let requests = self.requests.iter().map(Request::written);
        requests.chain(self.rest.clone()).collect::<String>().into_bytes()
    }

    /// What the server shall be told; nothing if one of the requests shall be refused.
    pub(super) fn expected(&self) -> Option<Vec<Message>> {
        let mut messages = Vec::new();
        for (number, request) in self.requests.iter().enumerate() {
            let mut message = request.expected(self.setting)?;
            if request.method == "CONNECT" {
                let others = self.requests[number + 1..].iter().map(Request::written);
                let opaque: String = others.chain(self.rest.clone()).collect();
                message.opaque = opaque.into_bytes();
                messages.push(message);
                return Some(messages);
            }
            messages.push(message);
        }
        let rest = self.rest.clone().map(String::into_bytes);
        messages.extend(rest.map(|opaque| Message { opaque, ..Message::default() }));
        Some(messages)
    }
}

impl Request {
    fn decode(input: &mut Input<'_>) -> Self {
        let method = input.pick(&["GET", "POST", "PUT", "POST", "CONNECT"]);
        let target = input.pick(TARGETS);
        let query = if target.0 == "*" { String::new() } else { text(input).replace(' ', "+") };
        let version = input.pick(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]);
        let host = input.pick(HOSTS);
        let fields = (0..input.byte() % 4).map(|_| Field::decode(input)).collect();
        let body = if method == "CONNECT" { Body::None } else { Body::decode(input) };
        let fault = input.byte();
        let fault = (fault >= 240 && method != "CONNECT").then(|| input.pick(FAULTS));
        let padded = input.byte();
        let padded = (padded >= 240).then(|| MOST_HEAD - 2 + usize::from(padded % 5));
        Self { method, target, query, version, host, fields, body, fault, padded }
    }

    fn written(&self) -> String {
        let Self { method, target, query, version, host, .. } = self;
        let mut head = format!("{method} {}{query} {version}\r\n{}", target.0, host.0);
        let body = self.body.written();
        let framing = match &self.body {
            Body::None => String::new(),
            Body::Length(_) => format!("\r\nContent-Length: {}", body.len()),
            Body::Chunked { .. } => "\r\nTransfer-Encoding: Chunked".to_owned(),
        };
        head += &framing;
        for (name, value) in self.fields.iter().map(|field| field.written(None)) {
            head.extend(["\r\n", &name, ": ", &value]);
        }
        if let Some(fault) = self.fault {
            head.extend(["\r\n", fault]);
        }
        if let Some(length) = self.padding(head.len()) {
            head.extend(["\r\nPad:", &"x".repeat(length)]);
        }
        format!("{head}\r\n\r\n{body}")
    }

    /// How long the value of a field is that fills a head of so many bytes.
    fn padding(&self, head: usize) -> Option<usize> {
        self.padded?.checked_sub(head + "\r\nPad:".len())
    }

    fn expected(&self, setting: &Setting) -> Option<Message> {
        let own = self.host.1 && self.target.1;
        let written = self.written();
        let (head, _) = written.split_once("\r\n\r\n")?;
        let old = self.version == "HTTP/1.0";
        let chunked = matches!(self.body, Body::Chunked { .. });
        if self.fault.is_some() || head.len() > MOST_HEAD || old && chunked {
            return None;
        }
        let target = |own: bool| {
            let query = &self.query;
            let put = own && setting.in_target;
            if put { setting.put(query, percent, false) } else { query.clone() }
        };
        let mut fields = Vec::new();
        for line in self.host.0.split("\r\n") {
            let (name, value) = line.split_once(':')?;
            fields.push((name.to_owned(), trimmed(value)));
        }
        let to = own.then_some(setting);
        fields.extend(self.fields.iter().map(|field| field.written(to)));
        if let Some(pad) = head.lines().last().and_then(|line| line.strip_prefix("Pad:")) {
            fields.push(("Pad".to_owned(), pad.to_owned()));
        }
        let encode = self.fields.iter().find_map(Field::kind).unwrap_or(plain);
        let text = self.body.text()?;
        let in_body = own && setting.in_body;
        if in_body && old && text.len() > MOST_WHOLE {
            return None;
        }
        let grown = self.grown(setting, encode);
        if own && grown > MOST_GROWTH {
            return None;
        }
        let body = if in_body { setting.put(&text, encode, false) } else { text };
        let bytes = |(name, value): (String, String)| (name.into_bytes(), trimmed(&value).into());
        let Self { method, version, target: (start, _), .. } = self;
        Some(Message {
            request: format!("{method} {start}{} {version}", target(own)).into_bytes(),
            fields: fields.into_iter().map(bytes).collect(),
            body: body.into_bytes(),
            trailer: self.body.trailer().into_bytes(),
            ..Message::default()
        })
    }

    /// What values take in a request that is for our server.
    fn grown(&self, setting: &Setting, encode: Encode) -> usize {
        let [first, second, _] = &setting.values;
        let count = |text: &str, key: usize| text.matches(KEYS[key]).count();
        let in_fields = self.fields.iter().map(|field| {
            let text = field.text();
            count(text, 0) * first.len() + count(text, 1) * second.len()
        });
        let in_target = usize::from(setting.in_target) * count(&self.query, 0);
        let text = self.body.text().unwrap_or_default();
        let in_body = usize::from(setting.in_body) * count(&text, 0);
        in_fields.sum::<usize>() + in_target * percent(first).len() + in_body * encode(first).len()
    }
}

impl Field {
    fn decode(input: &mut Input<'_>) -> Self {
        match input.byte() % 8 {
            0..=2 => Self::Plain("A".to_owned(), text(input)),
            3 => Self::Plain("authorization".to_owned(), format!("Bearer {}", text(input))),
            // Names are not looked into.
            4 => Self::Plain(format!("X-{}", KEYS[0]), text(input)),
            5 => Self::Basic(input.pick(&["Basic ", "bAsIc  "]), text(input)),
            6 => Self::Kind(usize::from(input.byte()) % KINDS.len()),
            _ => Self::Expect,
        }
    }

    /// Name and value; as our server gets them if there is a setting.
    fn written(&self, to: Option<&Setting>) -> (String, String) {
        let put = |text: &str| match to {
            Some(setting) => setting.put(text, plain, true),
            None => text.to_owned(),
        };
        match self {
            Self::Plain(name, text) => (name.clone(), put(text)),
            Self::Basic(scheme, text) => {
                let looked_into = to.is_some() && !text.is_empty();
                let scheme = if looked_into { "Basic " } else { scheme };
                ("Authorization".to_owned(), format!("{scheme}{}", STANDARD.encode(put(text))))
            }
            Self::Kind(kind) => ("Content-Type".to_owned(), KINDS[*kind].0.to_owned()),
            Self::Expect => ("Expect".to_owned(), "100-continue".to_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Plain(_, text) | Self::Basic(_, text) => text,
            Self::Kind(_) | Self::Expect => "",
        }
    }

    fn kind(&self) -> Option<Encode> {
        if let Self::Kind(kind) = self { Some(KINDS[*kind].1) } else { None }
    }
}

impl Body {
    fn decode(input: &mut Input<'_>) -> Self {
        match input.byte() % 4 {
            0 => Self::None,
            1 => {
                let text = text(input);
                let times = input.byte();
                Self::Length(match times {
                    // Much of it, and much to put into it.
                    250.. => text.repeat(usize::from(times - 249) * 64),
                    248.. => text + &"y".repeat(MOST_WHOLE - 2 + usize::from(times % 8)),
                    _ => text,
                })
            }
            _ => {
                let whole = text(input);
                let mut rest = whole.as_str();
                let mut chunks = Vec::new();
                while !rest.is_empty() {
                    let size = (1 + usize::from(input.byte()) % 60).min(rest.len());
                    let (chunk, others) = rest.split_at(size);
                    chunks.push((Self::size(input, size), chunk.to_owned()));
                    rest = others;
                }
                chunks.push((input.pick(&["0", "00", "0;a=b"]).to_owned(), String::new()));
                let mut wrong = false;
                if input.byte() >= 250 {
                    input.pick(NO_SIZES).clone_into(&mut chunks[0].0);
                    wrong = true;
                }
                let count = input.byte() % 3;
                let trailer = (0..count).map(|_| format!("T: {}", text(input))).collect();
                Self::Chunked { chunks, trailer, wrong }
            }
        }
    }

    fn written(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Length(text) => text.clone(),
            Self::Chunked { chunks, trailer, .. } => {
                let mut out = String::new();
                for (size, chunk) in chunks {
                    let end = if chunk.is_empty() { "" } else { "\r\n" };
                    out.extend([size, "\r\n", chunk, end]);
                }
                for line in trailer {
                    out.extend([line, "\r\n"]);
                }
                out + "\r\n"
            }
        }
    }

    /// What is said by it; nothing if it shall be refused.
    fn text(&self) -> Option<String> {
        match self {
            Self::None => Some(String::new()),
            Self::Length(text) => Some(text.clone()),
            Self::Chunked { chunks, wrong, .. } => {
                let refused = *wrong || chunks.iter().any(|(size, _)| size.len() > MOST_LINE);
                (!refused).then(|| chunks.iter().map(|(_, chunk)| chunk.as_str()).collect())
            }
        }
    }

    fn trailer(&self) -> String {
        let Self::Chunked { trailer, .. } = self else { return String::new() };
        trailer.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn size(input: &mut Input<'_>, size: usize) -> String {
        match input.byte() {
            0..100 => format!("{size:x}"),
            100..150 => format!("{size:X}"),
            150..200 => format!("00{size:x} ;a=b"),
            200..240 => format!("{size:x};{}", KEYS[0]),
            // As long as a line may be, or longer.
            more => format!("{size:x};{}", "a".repeat(MOST_LINE - 4 + usize::from(more % 5))),
        }
    }
}
