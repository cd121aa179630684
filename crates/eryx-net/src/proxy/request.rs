use super::{Target, Unclear};
use crate::http::is_one_line;

/// The first line of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Of something else than HTTP.
    Other,
    Http {
        /// What a proxy would lead to.
        asks: Option<Asks>,
        /// Whether it is of HTTP/1.1, which knows chunks.
        knows_chunks: bool,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// `CONNECT`: what follows is with whom it leads to.
    Connect(Target),
    /// One request, for a whole URL.
    Fetch(Target),
}

/// Schemes that proxies know, and their ports.
const SCHEMES: [(&str, u16); 5] =
    [("http", 80), ("https", 443), ("ws", 80), ("wss", 443), ("ftp", 21)];

/// Letters of a method.
const MOST_METHOD: usize = 1 << 10;

/// Whether what begins with `bytes` may be a request: with letters of a method, and
/// after that a space.
pub(super) fn may_be_http(bytes: &[u8]) -> bool {
    let looked_at = bytes.iter().take(MOST_METHOD + 1);
    let method = looked_at.take_while(|byte| is_of_method(**byte)).count();
    (1..=MOST_METHOD).contains(&method) && bytes.get(method).is_none_or(|byte| is_space(*byte))
}

/// Reads a line without its end. Spaces may be more than there should be, and the
/// letters small, since there are proxies that do not mind.
pub(super) fn read(line: &[u8]) -> Result<Line, Unclear> {
    let mut words = line.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(Line::Other);
    };
    let (version, more) = (words.next(), words.next());
    let last = words.next_back().or(more).or(version).unwrap_or_default();
    let is_http = begins(last, b"HTTP/");
    // What begins so is no host, but what clients of NATS say.
    if method.eq_ignore_ascii_case(b"CONNECT") && !target.starts_with(b"{") {
        let whole = is_one_line(line) && more.is_none() && (version.is_none() || is_http);
        let target = Target::read(target, None).filter(|_| whole).ok_or(Unclear::Target)?;
        return Ok(Line::Http { asks: Some(Asks::Connect(target)), knows_chunks: false });
    }
    // Without a version it may be a request of HTTP/0.9, or no HTTP at all.
    let asks = match usual_port(target) {
        _ if !is_http && version.is_some() => return Ok(Line::Other),
        Scheme::Known(port) => Some(fetched(target, port).ok_or(Unclear::Target)?),
        _ if !is_http => return Ok(Line::Other),
        Scheme::Unknown => return Err(Unclear::Target),
        Scheme::None => None,
    };
    if !is_one_line(line) {
        return Err(Unclear::Ambiguous);
    }
    let knows_chunks = last.eq_ignore_ascii_case(b"HTTP/1.1");
    Ok(Line::Http { asks: asks.map(Asks::Fetch), knows_chunks })
}

/// Whether a line that is too long to be kept would be one that counts.
pub(super) fn would_count(begin: &[u8]) -> bool {
    let mut words = begin.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let url = target.starts_with(b"/") || usual_port(target) != Scheme::None;
    url || method.eq_ignore_ascii_case(b"CONNECT")
}

#[derive(Debug, PartialEq, Eq)]
enum Scheme {
    None,
    /// And its port.
    Known(u16),
    Unknown,
}

fn usual_port(target: &[u8]) -> Scheme {
    let of_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let length = target.iter().take_while(of_scheme).count();
    let (scheme, rest) = target.split_at(length);
    let known = SCHEMES.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name.as_bytes()));
    match known {
        Some((_, port)) if rest.starts_with(b":") => Scheme::Known(*port),
        _ if length > 0 && rest.starts_with(b"://") => Scheme::Unknown,
        _ => Scheme::None,
    }
}

/// What the URL `target` leads to.
fn fetched(target: &[u8], usual_port: u16) -> Option<Target> {
    let colon = memchr::memchr(b':', target)?;
    let rest = target.get(colon..)?.strip_prefix(b"://")?;
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()?;
    let host = match memchr::memrchr(b'@', authority) {
        None => authority,
        // Of others than these not everybody thinks that they belong to a user's name.
        Some(at) => {
            let user =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(byte);
            authority.get(..at).filter(|name| name.iter().all(user))?;
            authority.get(at + 1..)?
        }
    };
    Target::read(host, Some(usual_port))
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

fn is_of_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What one or the other server takes for a space within a line.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> String {
        match read(line.as_bytes()) {
            Ok(Line::Other) => "other".to_owned(),
            Ok(Line::Http { asks: None, .. }) => "http".to_owned(),
            Ok(Line::Http { asks: Some(Asks::Connect(to)), .. }) => {
                format!("connect {} {}", to.host, to.port)
            }
            Ok(Line::Http { asks: Some(Asks::Fetch(to)), .. }) => {
                format!("fetch {} {}", to.host, to.port)
            }
            Err(unclear) => format!("{unclear:?}"),
        }
    }

    #[test]
    fn what_a_proxy_is_asked_for() {
        for (line, expected) in [
            ("CONNECT A.test:443 HTTP/1.1", "connect a.test 443"),
            ("CONNECT  a.test.:443\tHTTP/1.1", "connect a.test 443"),
            ("connect a.test:443 http/1.0", "connect a.test 443"),
            ("CONNECT a.test:443", "connect a.test 443"),
            ("CONNECT [::ffff:10.0.0.1]:80 HTTP/1.0", "connect 10.0.0.1 80"),
            ("CONNECT a.test HTTP/1.1", "Target"),
            ("CONNECT a.test: HTTP/1.1", "Target"),
            ("CONNECT 127.1:80 HTTP/1.1", "Target"),
            ("CONNECT 0x7f.1:80 HTTP/1.1", "Target"),
            ("CONNECT 2130706433:80 HTTP/1.1", "Target"),
            ("CONNECT %31.1.1.1:80 HTTP/1.1", "Target"),
            ("CONNECT ::1:80 HTTP/1.1", "Target"),
            ("CONNECT [a.test]:80 HTTP/1.1", "Target"),
            ("CONNECT a.test:+1 HTTP/1.1", "Target"),
            ("CONNECT a.test:65536 HTTP/1.1", "Target"),
            ("CONNECT a.test:443 b.test:443 HTTP/1.1", "Target"),
            ("CONNECT a.test:443 other", "Target"),
            ("CONNECT a.test:443\rHTTP/1.1", "Target"),
            ("CONNECT http://a.test:80 HTTP/1.1", "Target"),
            ("CONNECT é.test:443 HTTP/1.1", "Target"),
            ("GET http://A.test HTTP/1.1", "fetch a.test 80"),
            ("get HTTPS://a.test/b?c HTTP/1.1", "fetch a.test 443"),
            ("GET http://a.test:8080?x HTTP/1.0", "fetch a.test 8080"),
            ("GET ftp://me:pass@a.test:/ HTTP/1.0", "fetch a.test 21"),
            ("GET http://b.test@127.0.0.1/ HTTP/1.1", "fetch 127.0.0.1 80"),
            ("GET http://[::1]/ HTTP/1.1", "fetch ::1 80"),
            ("GET http://a.test/\tx HTTP/1.1", "fetch a.test 80"),
            ("GET http://a.test/", "fetch a.test 80"),
            ("GET http://127.1/ HTTP/1.1", "Target"),
            ("GET http://b.test\\@a.test/ HTTP/1.1", "Target"),
            ("GET http://b.test@c.test@a.test/ HTTP/1.1", "Target"),
            ("GET http:a.test/ HTTP/1.1", "Target"),
            ("GET http:/a.test/ HTTP/1.1", "Target"),
            ("GET http:///a.test HTTP/1.1", "Target"),
            ("GET gopher://a.test/ HTTP/1.1", "Target"),
            ("GET / HTTP/1.1", "http"),
            ("GET /?u=http://a.test/ HTTP/1.1", "http"),
            ("OPTIONS * HTTP/1.1", "http"),
            ("PRI * HTTP/2.0", "http"),
            ("GET /\r HTTP/1.1", "Ambiguous"),
            ("GET / HTTP/1.1\rCONNECT a.test:80 HTTP/1.1", "Ambiguous"),
            // Other protocols.
            ("", "other"),
            ("CONNECT", "other"),
            (r#"CONNECT {"verbose":false,"name":"a b"}"#, "other"),
            ("DESCRIBE rtsp://a.test/ RTSP/1.0", "other"),
            ("OPTIONS sip:me@a.test SIP/2.0", "other"),
            ("GET key", "other"),
            ("EHLO a.test", "other"),
        ] {
            assert_eq!(asked(line), expected, "{line:?}");
        }
    }
}
