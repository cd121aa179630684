use super::Secret;
use crate::policy::HostName;

/// Bytes of a request's head.
const MOST_HEAD: usize = 64 << 10;

/// Bytes of a body in which secrets are looked for.
const MOST_BODY: usize = 1 << 20;

/// Puts secrets into what a guest sends over one TLS session.
///
/// It follows HTTP/1.1 from request to request. What it does not take for
/// HTTP/1.1 it passes on as it is.
pub(crate) struct Rewriter {
    host: HostName,
    secrets: Vec<Secret>,
    state: State,
    /// What is not passed on yet.
    held: Vec<u8>,
}

enum State {
    Head,
    /// A body in which secrets are to be put: its head, and its length.
    Held {
        head: Head,
        length: usize,
    },
    /// So many bytes to pass on.
    Body(u64),
    Chunks(Chunk),
    /// No HTTP, or no more of it.
    Opaque,
}

/// Where in a chunked body we are.
enum Chunk {
    Size,
    Data(u64),
    Trailer,
}

/// A request that can be two requests, or that is too large, is not sent: what
/// the server would make of it nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the head of an HTTP request to a server with secrets has more than 64 KiB")]
    TooLong,
    #[error("an HTTP request to a server with secrets has two lengths, or none that can be read")]
    Ambiguous,
}

impl Rewriter {
    /// For a session with `host`, if there are secrets for it.
    pub(crate) fn new(host: &HostName, secrets: &[Secret]) -> Option<Self> {
        let secrets: Vec<Secret> =
            secrets.iter().filter(|secret| secret.is_for(host)).cloned().collect();
        let held = Vec::new();
        (!secrets.is_empty()).then(|| Self {
            host: host.clone(),
            secrets,
            state: State::Head,
            held,
        })
    }

    /// What to send, the guest having sent `bytes`. Something may be held back
    /// until more has come.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(self.held.len());
        while self.step(&mut out)? {}
        Ok(out)
    }

    /// Passes on what can be; whether there may be more to do.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Refused> {
        if self.held.is_empty() {
            return Ok(false);
        }
        match &mut self.state {
            State::Opaque => {
                out.append(&mut self.held);
                Ok(false)
            }
            State::Head => self.head(out),
            State::Held { head, length } => {
                if self.held.len() < *length {
                    return Ok(false);
                }
                let body: Vec<u8> = self.held.drain(..*length).collect();
                let body =
                    put(&body, self.secrets.iter().filter(|secret| secret.in_body), |v| v.into());
                out.extend(head.with_length(body.len()));
                out.extend(body);
                self.state = State::Head;
                Ok(true)
            }
            State::Body(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.held.len());
                out.extend(self.held.drain(..length));
                *left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.state = State::Head;
                }
                Ok(true)
            }
            State::Chunks(_) => self.chunk(out),
        }
    }

    fn head(&mut self, out: &mut Vec<u8>) -> Result<bool, Refused> {
        match first_line(&self.held) {
            FirstLine::NotHttp => {
                self.state = State::Opaque;
                return Ok(true);
            }
            FirstLine::Unknown | FirstLine::Http => {}
        }
        let Some(end) = find(&self.held, b"\r\n\r\n") else {
            if self.held.len() > MOST_HEAD {
                return Err(Refused::TooLong);
            }
            return Ok(false);
        };
        let head: Vec<u8> = self.held.drain(..end + 4).collect();
        let Some(mut head) = Head::parse(&head) else {
            return Err(Refused::Ambiguous);
        };
        let framing = head.framing()?;
        let ours = head.host().is_some_and(|host| is_host(host, &self.host));
        if ours {
            head.put_secrets(&self.secrets);
        }
        let in_body = ours && self.secrets.iter().any(|secret| secret.in_body);
        self.state = match framing {
            Framing::Upgrade => State::Opaque,
            Framing::Chunked => State::Chunks(Chunk::Size),
            Framing::Length(0) => State::Head,
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if in_body && length <= MOST_BODY => {
                    self.state = State::Held { head, length };
                    return Ok(true);
                }
                _ => State::Body(length),
            },
        };
        out.extend(head.to_bytes());
        Ok(true)
    }

    fn chunk(&mut self, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let State::Chunks(chunk) = &mut self.state else { return Ok(false) };
        if let Chunk::Data(left) = chunk {
            let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.held.len());
            out.extend(self.held.drain(..length));
            *left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            if *left == 0 {
                *chunk = Chunk::Size;
            }
            return Ok(true);
        }
        let Some(end) = find(&self.held, b"\r\n") else {
            return if self.held.len() > MOST_HEAD { Err(Refused::TooLong) } else { Ok(false) };
        };
        let line: Vec<u8> = self.held.drain(..end + 2).collect();
        let text = line.strip_suffix(b"\r\n").unwrap_or(&line);
        if matches!(chunk, Chunk::Trailer) {
            if text.is_empty() {
                self.state = State::Head;
            }
        } else {
            let digits = text.split(|byte| *byte == b';').next().unwrap_or_default();
            *chunk = match hexadecimal(digits).ok_or(Refused::Ambiguous)? {
                0 => Chunk::Trailer,
                // The line end after the data is passed on with it.
                size => Chunk::Data(size.checked_add(2).ok_or(Refused::Ambiguous)?),
            };
        }
        out.extend(line);
        Ok(true)
    }
}

enum FirstLine {
    Unknown,
    Http,
    NotHttp,
}

/// Whether `bytes` begin like a request of HTTP/1.1.
fn first_line(bytes: &[u8]) -> FirstLine {
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match bytes.get(method) {
        None if method < 20 => return FirstLine::Unknown,
        Some(b' ') if method > 0 => {}
        _ => return FirstLine::NotHttp,
    }
    match bytes.iter().position(|byte| *byte == b'\n') {
        None => FirstLine::Unknown,
        Some(end) => match bytes.get(..end) {
            Some(line) if line.ends_with(b" HTTP/1.1\r") || line.ends_with(b" HTTP/1.0\r") => {
                FirstLine::Http
            }
            _ => FirstLine::NotHttp,
        },
    }
}

/// The head of a request.
struct Head {
    /// Method, target and version.
    request: Vec<u8>,
    /// Names and values as they came.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

enum Framing {
    Length(u64),
    Chunked,
    Upgrade,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_suffix(b"\r\n\r\n")?;
        let mut lines = split_lines(text);
        let request = lines.next()?.to_vec();
        let fields = lines.map(field).collect::<Option<_>>()?;
        Some(Self { request, fields })
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter();
        let found = fields.filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.trim_ascii())
    }

    /// The one `Host`.
    fn host(&self) -> Option<&[u8]> {
        let mut hosts = self.values("host");
        hosts.next().filter(|_| hosts.next().is_none())
    }

    fn framing(&self) -> Result<Framing, Refused> {
        let lengths: Vec<_> = self.values("content-length").collect();
        let codings: Vec<_> = self.values("transfer-encoding").collect();
        if self.values("upgrade").next().is_some() || self.request.starts_with(b"CONNECT ") {
            return Ok(Framing::Upgrade);
        }
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(Framing::Length(0)),
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            ([length], []) => decimal(length).map(Framing::Length).ok_or(Refused::Ambiguous),
            _ => Err(Refused::Ambiguous),
        }
    }

    fn put_secrets(&mut self, secrets: &[Secret]) {
        for (_, value) in &mut self.fields {
            *value = put(value, secrets.iter(), |secret| secret.into());
        }
        self.request =
            put(&self.request, secrets.iter().filter(|secret| secret.in_target), percent_encoded);
    }

    fn with_length(&mut self, length: usize) -> Vec<u8> {
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case(b"content-length") {
                *value = format!(" {length}").into_bytes();
            }
        }
        self.to_bytes()
    }

    fn to_bytes(&self) -> Vec<u8> {
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

fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find(text, b"\r\n") {
            Some(end) => {
                rest = text.get(end + 2..);
                text.get(..end)
            }
            None => rest.take(),
        }
    })
}

/// A field's name and value. No name with spaces, no folded lines, no bare line
/// ends: servers differ in what they make of those.
fn field(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    let token = |byte: &u8| byte.is_ascii_graphic();
    let plain = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0);
    (!name.is_empty() && name.iter().all(token) && value.iter().all(plain))
        .then(|| (name.to_vec(), value.to_vec()))
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

/// `text` with the secrets in their places.
fn put<'a>(
    text: &[u8],
    secrets: impl Iterator<Item = &'a Secret>,
    encode: impl Fn(&str) -> Vec<u8>,
) -> Vec<u8> {
    let mut text = text.to_vec();
    for secret in secrets {
        let placeholder = secret.placeholder.as_bytes();
        let mut out = Vec::new();
        let mut rest = text.as_slice();
        while let Some(start) = find(rest, placeholder) {
            out.extend_from_slice(rest.get(..start).unwrap_or_default());
            out.extend(encode(&secret.value));
            rest = rest.get(start + placeholder.len()..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        text = out;
    }
    text
}

fn percent_encoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend(format!("%{byte:02X}").bytes());
        }
    }
    out
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii_end();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    plain.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret() -> Secret {
        Secret::new("KEY", "s3 cr3t", ["api.example.com".parse().unwrap()]).unwrap()
    }

    fn rewriter(secret: &Secret) -> Rewriter {
        let host = "api.example.com".parse().unwrap();
        Rewriter::new(&host, std::slice::from_ref(secret)).unwrap()
    }

    fn rewritten(secret: &Secret, request: &str) -> String {
        let request = request.replace("KEY", secret.placeholder());
        let out = rewriter(secret).rewrite(request.as_bytes()).unwrap();
        String::from_utf8(out).unwrap().replace(secret.placeholder(), "KEY")
    }

    #[test]
    fn headers_only_unless_told() {
        let request = "POST /KEY?k=KEY HTTP/1.1\r\nHost: API.example.com:443\r\n\
                       Authorization: Bearer KEY\r\nContent-Length: 3\r\n\r\n";
        let put = request.replace("Bearer KEY", "Bearer s3 cr3t");
        assert_eq!(rewritten(&secret(), &format!("{request}abc")), format!("{put}abc"));
        let put = put.replace("/KEY?k=KEY", "/s3%20cr3t?k=s3%20cr3t");
        assert_eq!(
            rewritten(&secret().in_path_and_query(), &format!("{request}abc")),
            format!("{put}abc")
        );
    }

    #[test]
    fn bodies_when_told() {
        let secret = secret().in_body();
        let body = format!("a={}&b={0}", secret.placeholder());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: api.example.com\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let put = "POST / HTTP/1.1\r\nHost: api.example.com\r\ncontent-length: 18\r\n\r\na=s3 cr3t&b=s3 cr3t";
        let put = put.replace("18", "19");
        assert_eq!(rewritten(&secret, &request), put);
    }

    #[test]
    fn another_host_gets_nothing() {
        let host = "other.example.com".parse().unwrap();
        assert!(Rewriter::new(&host, &[secret()]).is_none());
        for head in [
            "Host: evil.com",
            "Host: api.example.com\r\nHost: evil.com",
            "X: y",
            "Host: api.example.com.evil.com",
            "Host: api.example.com:x",
        ] {
            let request = format!("GET / HTTP/1.1\r\n{head}\r\nA: KEY\r\n\r\n");
            assert_eq!(rewritten(&secret(), &request), request);
        }
    }

    #[test]
    fn every_request_of_a_connection() {
        let get = "GET / HTTP/1.1\r\nHost: api.example.com\r\nA: KEY\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3;x=y\r\nKEY\r\n0\r\nT: KEY\r\n\r\n";
        let secret = secret();
        let post = post.replace("3;", "2c;");
        let put = get.replace("KEY", "s3 cr3t");
        assert_eq!(rewritten(&secret, &format!("{get}{post}{get}")), format!("{put}{post}{put}"));
    }

    #[test]
    fn what_is_no_http_passes_at_once() {
        for text in [
            "*1\r\n$4\r\nPING\r\n",
            "EHLO KEY\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\0\0\0\x08",
            "get / HTTP/1.1\r\n",
        ] {
            assert_eq!(rewritten(&secret(), text), text);
        }
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        let secret = secret();
        for head in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: +1",
            "Transfer-Encoding: x, chunked",
            "A: b\r\n folded",
            "A : b\nB: c",
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: api.example.com\r\n{head}\r\n\r\n");
            assert_eq!(
                rewriter(&secret).rewrite(request.as_bytes()),
                Err(Refused::Ambiguous),
                "{head}"
            );
        }
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(MOST_HEAD));
        assert_eq!(rewriter(&secret).rewrite(endless.as_bytes()), Err(Refused::TooLong));
    }

    proptest! {
        /// However the guest cuts what it sends, the server gets the same.
        #[test]
        fn pieces_do_not_matter(cuts in proptest::collection::vec(0..400usize, 0..8)) {
            let secret = secret().in_body().in_path_and_query();
            let key = secret.placeholder();
            let request = format!(
                "GET /{key} HTTP/1.1\r\nHost: api.example.com\r\nA: {key}\r\n\r\n\
                 POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 46\r\n\r\n<{key}>\
                 PUT / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
            let whole = rewriter(&secret).rewrite(request.as_bytes()).unwrap();
            let mut pieces = rewriter(&secret);
            let mut out = Vec::new();
            let mut cuts = cuts;
            cuts.extend([0, request.len()]);
            for cut in &mut cuts {
                *cut = (*cut).min(request.len());
            }
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                out.extend(pieces.rewrite(&request.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(&out, &whole);
            prop_assert!(!String::from_utf8_lossy(&out).contains(key));
        }

        #[test]
        fn any_bytes_are_passed_or_refused(bytes: Vec<u8>, more in "(GET|POST) / HTTP/1.1\r\n([A-C]: [a-z]{0,3}\r\n|Content-Length: [0-9]{1,20}\r\n|Transfer-Encoding: chunked\r\n){0,3}\r\n([0-9a-f]{1,17}\r\n){0,3}") {
            let secret = secret().in_body();
            let mut rewriter = rewriter(&secret);
            let _ = rewriter.rewrite(&bytes);
            let _ = rewriter.rewrite(more.as_bytes());
            let _ = super::Rewriter::new(&"api.example.com".parse().unwrap(), &[secret]).unwrap().rewrite(more.as_bytes());
        }
    }
}
