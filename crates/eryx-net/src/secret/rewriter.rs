use super::answers::{Answers, Asked};
use super::chunks::{Chunks, put_chunk};
use super::head::{FirstLine, Framing, Head, first_line};
use super::held::Held;
use super::replacer::{MOST_GROWTH, Replacer};
use super::{Refused, Secret};
use crate::policy::HostName;

/// Bytes of a head.
pub(super) const MOST_HEAD: usize = 64 << 10;

/// What ends a head.
pub(super) const END: &[u8] = b"\r\n\r\n";

/// Bytes of a body that is kept until it is whole; a longer one goes in chunks.
pub(super) const MOST_WHOLE: usize = 1 << 20;

/// Puts secrets into what a guest sends over one TLS session, and takes them out of
/// what comes back.
///
/// It follows HTTP/1.1 from request to request. What it does not take for
/// HTTP/1.1 it passes on as it is.
pub(crate) struct Rewriter {
    host: HostName,
    secrets: Vec<Secret>,
    state: State,
    /// What is not passed on yet.
    held: Held,
    /// The first line of the head that is coming is one of HTTP.
    begun: bool,
    /// Bytes that secrets may still add to this request.
    room: usize,
    answers: Answers,
}

enum State {
    Head,
    /// A body to put secrets into, whose length is to be told before it.
    Whole {
        head: Head,
        length: usize,
        put: Replacer,
    },
    /// So many bytes to put secrets into and to send in chunks.
    Rechunked {
        left: u64,
        put: Replacer,
    },
    /// So many bytes to pass on.
    Body(u64),
    Chunks(Chunks, Replacer),
    /// No HTTP, or no more of it.
    Opaque,
}

impl Rewriter {
    /// For a session with `host`, if there are secrets for it.
    pub(crate) fn new(host: &HostName, secrets: &[Secret]) -> Option<Self> {
        let secrets: Vec<Secret> =
            secrets.iter().filter(|secret| secret.is_for(host)).cloned().collect();
        (!secrets.is_empty()).then(|| Self {
            host: host.clone(),
            answers: Answers::new(&secrets),
            secrets,
            state: State::Head,
            held: Held::default(),
            begun: false,
            room: 0,
        })
    }

    /// What to send, the guest having sent `bytes`. Something may be held back
    /// until more has come.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        self.held.push(bytes);
        let mut out = Vec::with_capacity(self.held.len());
        while !self.held.is_empty() && self.step(&mut out)? {}
        Ok(out)
    }

    /// What the guest gets of `bytes` that the server has sent; likewise.
    pub(crate) fn clean(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.answers.clean(bytes, out);
    }

    /// What was held back of the answers: the guest waits for it.
    pub(crate) fn stall(&mut self, out: &mut Vec<u8>) {
        self.answers.stall(out);
    }

    /// What was held back of the answers: there will be no more.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.answers.end(out);
    }

    /// Passes on what can be; whether there may be more to do.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Refused> {
        match &mut self.state {
            State::Opaque => out.extend(self.held.take_all()),
            State::Head => return self.head(out),
            State::Whole { head, length, put } => {
                if self.held.len() < *length {
                    return Ok(false);
                }
                let body = self.held.take(*length);
                let body = put.replace(&body, &mut self.room)?;
                head.set_length(body.len());
                out.extend(head.to_bytes());
                out.extend(body);
                self.state = State::Head;
            }
            State::Rechunked { left, put } => {
                let mut plain = Vec::new();
                put.push(&self.held.take_of(left), &mut plain, &mut self.room)?;
                let ended = *left == 0;
                if ended {
                    put.finish(&mut plain);
                }
                put_chunk(&plain, out);
                if ended {
                    out.extend_from_slice(b"0\r\n\r\n");
                    self.state = State::Head;
                }
            }
            State::Body(left) => {
                out.extend(self.held.take_of(left));
                if *left == 0 {
                    self.state = State::Head;
                }
            }
            State::Chunks(chunks, put) => {
                let went_on = chunks.step(put, &mut self.held, out, &mut self.room)?;
                if chunks.ended() {
                    self.state = State::Head;
                }
                return Ok(went_on);
            }
        }
        Ok(true)
    }

    /// A whole head from the front; none as long as that is still coming.
    fn whole_head(&mut self) -> Result<Option<Head>, Refused> {
        // With its empty line; more of it is not looked at, however much came at once.
        const MOST: usize = MOST_HEAD + END.len();
        let coming = |held: &Held| {
            if held.len() >= MOST { Err(Refused::TooLong) } else { Ok(None) }
        };
        if !self.begun {
            let end = self.held.find(b"\n", MOST);
            match first_line(self.held.as_slice(), end) {
                FirstLine::Unknown => return coming(&self.held),
                FirstLine::NotHttp => {
                    self.state = State::Opaque;
                    return Ok(None);
                }
                FirstLine::Http => {
                    self.begun = true;
                    self.held.anew();
                }
            }
        }
        let Some(end) = self.held.find(END, MOST) else { return coming(&self.held) };
        self.begun = false;
        let bytes = self.held.take(end + END.len());
        Head::parse(&bytes).ok_or(Refused::Ambiguous).map(Some)
    }

    fn head(&mut self, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let Some(mut head) = self.whole_head()? else {
            return Ok(matches!(self.state, State::Opaque));
        };
        let framing = head.framing()?;
        self.room = MOST_GROWTH;
        let mut in_body = Vec::new();
        if head.is_for(&self.host) {
            let answers = &mut self.answers;
            head.put(&self.secrets, &mut self.room, |sent, was| answers.learn(sent, was))?;
            if head.asks_for_an_echo() && self.room < MOST_GROWTH {
                return Err(Refused::Echo);
            }
            head.accept_only_plain();
            in_body.extend(self.secrets.iter().filter(|secret| secret.in_body));
        }
        self.answers.expect(match framing {
            Framing::Tunnel => Asked::Tunnel,
            _ if head.asks_for_a_head() => Asked::Head,
            _ => Asked::Ordinary,
        });
        let put = Replacer::new(in_body, head.body_encoding());
        self.state = match framing {
            Framing::Tunnel => State::Opaque,
            Framing::Chunked => State::Chunks(Chunks::default(), put),
            Framing::Length(0) => State::Head,
            Framing::Length(left) if put.is_idle() => State::Body(left),
            Framing::Length(left) => match usize::try_from(left) {
                Ok(length) if length <= MOST_WHOLE && !head.expects_answer() => {
                    self.state = State::Whole { head, length, put };
                    return Ok(true);
                }
                _ if !head.is_http_1_1() => return Err(Refused::NoChunks),
                _ => {
                    head.set_chunked();
                    State::Rechunked { left, put }
                }
            },
        };
        out.extend(head.to_bytes());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::MOST_LINE;
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
            "Host: \x0capi.example.com",
        ] {
            let request = format!("GET / HTTP/1.1\r\n{head}\r\nA: KEY\r\n\r\n");
            assert_eq!(rewritten(&secret(), &request), request);
        }
        for (target, ours) in [
            ("http://evil.com/", false),
            ("http://evil.com?http://api.example.com/", false),
            ("http://api.example.com@evil.com/", false),
            ("evil.com:443", false),
            ("https://API.example.com/x", true),
            ("*", true),
        ] {
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\nA: KEY\r\n\r\n");
            assert_eq!(rewritten(&secret(), &request) != request, ours, "{target}");
        }
    }

    #[test]
    fn every_request_of_a_connection() {
        let get = "GET / HTTP/1.1\r\nHost: api.example.com\r\nA: KEY\r\n\r\n";
        // A last `e` might be the first of another placeholder, and would wait for what comes.
        let post = "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2d\r\nKEY.\r\n0\r\nT: KEY\r\n\r\n";
        let upgrade = "GET / HTTP/1.1\r\nHost: api.example.com\r\nUpgrade: x\r\nA: KEY\r\n\r\n";
        let put = |text: &str| text.replace("A: KEY", "A: s3 cr3t");
        let sent = format!("{get}{post}{upgrade}{get}");
        assert_eq!(rewritten(&secret(), &sent), put(&sent));
        // What a server has upgraded to is no HTTP.
        let sent = format!("{upgrade}\u{1}{get}");
        assert_eq!(rewritten(&secret(), &sent), put(upgrade) + "\u{1}" + get);
        let connect = get.replace("GET / ", "CONNECT api.example.com ");
        assert_eq!(rewritten(&secret(), &format!("{connect}{get}")), format!("{connect}{get}"));
    }

    #[test]
    fn chunks_are_cut_anew() {
        let secret = secret().in_body();
        let (first, second) = secret.placeholder().split_at(20);
        let head = "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
        let sent =
            format!("{head}15;x=y\r\n<{first}\r\n019\r\n{second}>\r\n1\r\ne\r\n0\r\nT: t\r\n\r\n");
        let put = format!("{head}1\r\n<\r\n8\r\ns3 cr3t>\r\n1\r\ne\r\n0\r\nT: t\r\n\r\n");
        assert_eq!(rewritten(&secret, &sent), put);
        for wrong in ["1\r\naX\r\n", "1;a\nb\r\n", "g\r\n", "-1\r\n", "10000000000000000\r\n"] {
            let refused = rewriter(&secret).rewrite(format!("{head}{wrong}").as_bytes());
            assert_eq!(refused, Err(Refused::Ambiguous), "{wrong:?}");
        }
    }

    #[test]
    fn long_bodies_go_in_chunks() {
        let secret = secret().in_body();
        let key = secret.placeholder();
        let head = |length: usize, more: &str| {
            format!(
                "PUT / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: {length}{more}\r\n\r\n"
            )
        };
        let body = format!("{}{key}", "x".repeat(MOST_WHOLE));
        let mut rewriter = rewriter(&secret);
        let mut out = rewriter.rewrite(head(body.len(), "").as_bytes()).unwrap();
        for piece in body.as_bytes().chunks(60_000) {
            out.extend(rewriter.rewrite(piece).unwrap());
        }
        let out = String::from_utf8(out).unwrap();
        let (told, sent) = out.split_once("\r\n\r\n").unwrap();
        assert!(told.ends_with("Transfer-Encoding: chunked") && !told.contains("Length"), "{told}");
        assert_eq!(unchunked(sent), "x".repeat(MOST_WHOLE) + "s3 cr3t");
        // The next one of the connection is an ordinary one.
        let next = rewriter.rewrite((head(44, "") + key).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(next).unwrap(), head(7, "") + "s3 cr3t");
        // A guest that waits for an answer before it sends the body gets one.
        let asks = head(44, "\r\nExpect: 100-continue");
        assert!(!rewriter.rewrite(asks.as_bytes()).unwrap().is_empty());
        let rest = String::from_utf8(rewriter.rewrite(key.as_bytes()).unwrap()).unwrap();
        assert_eq!(unchunked(&rest), "s3 cr3t");
        let old = head(MOST_WHOLE + 1, "").replace("1.1", "1.0");
        assert_eq!(rewriter.rewrite(old.as_bytes()), Err(Refused::NoChunks));
    }

    fn unchunked(mut text: &str) -> String {
        let mut body = String::new();
        loop {
            let (size, rest) = text.split_once("\r\n").unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            body.push_str(&rest[..size]);
            text = rest[size..].strip_prefix("\r\n").unwrap();
            if size == 0 {
                assert_eq!(text, "");
                return body;
            }
        }
    }

    /// What was sent, with the body of the last request out of its chunks.
    fn last_unchunked(sent: &[u8]) -> String {
        let sent = std::str::from_utf8(sent).unwrap();
        let (front, body) = sent.rsplit_once("chunked\r\n\r\n").unwrap();
        front.to_owned() + &unchunked(body)
    }

    #[test]
    fn basic_authentication_is_looked_into() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let secret = secret();
        let head = |credentials: &str| {
            let credentials = STANDARD.encode(credentials);
            format!(
                "GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Basic {credentials}\r\n\r\n"
            )
        };
        let sent = head(&format!("user:{}", secret.placeholder()));
        assert_eq!(rewritten(&secret, &sent), head("user:s3 cr3t"));
        let other = head("x").replace("eA==", "no base64!");
        assert_eq!(rewritten(&secret, &other), other);
    }

    #[test]
    fn a_body_is_written_as_its_kind_wants() {
        let secret = Secret::new("KEY", "ab\"&", ["api.example.com".parse().unwrap()]).unwrap();
        let secret = secret.in_body();
        for (kind, put) in [
            ("application/json", "ab\\\"&"),
            ("application/x-www-form-urlencoded", "ab%22%26"),
            ("text/plain", "ab\"&"),
        ] {
            let head = |length| {
                format!(
                    "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
                )
            };
            assert_eq!(rewritten(&secret, &(head(44) + "KEY")), head(put.len()) + put);
        }
    }

    #[test]
    fn what_secrets_add_is_bounded() {
        let value = "x".repeat(4096);
        let secret = Secret::new("KEY", value, ["api.example.com".parse().unwrap()]).unwrap();
        let secret = secret.in_body();
        let body = secret.placeholder().repeat(300);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(rewriter(&secret).rewrite(request.as_bytes()), Err(Refused::TooMuch));
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
            "Transfer-Encoding: \x0cchunked",
            "Content-Length: \x0c1",
            "A: b\r\n folded",
            "A : b\nB: c",
            "A: b\rB: c",
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: api.example.com\r\n{head}\r\n\r\n");
            assert_eq!(
                rewriter(&secret).rewrite(request.as_bytes()),
                Err(Refused::Ambiguous),
                "{head}"
            );
        }
        // Who knows no chunks takes the body for another request.
        let old = "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(rewriter(&secret).rewrite(old.as_bytes()), Err(Refused::Ambiguous));
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(MOST_HEAD));
        assert_eq!(rewriter(&secret).rewrite(endless.as_bytes()), Err(Refused::TooLong));
    }

    /// Where a piece ends does not decide on what is too long, or no HTTP.
    #[test]
    fn limits_are_the_same_for_pieces() {
        let secret = secret();
        let start = "GET / HTTP/1.1\r\nHost: api.example.com\r\n";
        let chunks = format!("{start}Transfer-Encoding: chunked\r\n\r\n");
        let chunk = |length| format!("{chunks}1;{}\r\n1", "x".repeat(length - 2));
        let head =
            |length: usize| format!("{start}A:{}\r\n\r\n", "x".repeat(length - start.len() - 2));
        for (sent, passes) in [
            (head(MOST_HEAD), true),
            (head(MOST_HEAD + 1), false),
            (chunk(MOST_LINE), true),
            (chunk(MOST_LINE + 1), false),
            (format!("GET {}\n", "x".repeat(MOST_HEAD)), false),
            (format!("{}{}", "A".repeat(20), start.trim_start_matches("GET")), true),
        ] {
            let whole = rewriter(&secret).rewrite(sent.as_bytes());
            assert_eq!(whole.is_ok(), passes, "{whole:?}");
            for last in [1, 2, 3, 4, sent.len() - 20] {
                let (first, second) = sent.split_at(sent.len() - last);
                let mut pieces = rewriter(&secret);
                let sent = pieces.rewrite(first.as_bytes()).and_then(|mut sent| {
                    sent.extend(pieces.rewrite(second.as_bytes())?);
                    Ok(sent)
                });
                assert_eq!(sent, whole, "{last}");
            }
        }
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
                 PUT / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabe\r\n2d\r\n{key}e\r\n0\r\n\r\n");
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
            prop_assert_eq!(last_unchunked(&out), last_unchunked(&whole));
            prop_assert!(!String::from_utf8_lossy(&out).contains(key));
        }

        #[test]
        fn any_bytes_are_passed_or_refused(bytes: Vec<u8>, more in "(GET|POST) / HTTP/1.1\r\n([A-C]: [a-z]{0,3}\r\n|Content-Length: [0-9]{1,20}\r\n|Transfer-Encoding: chunked\r\n|Host: api.example.com\r\n|Expect: x\r\n){0,3}\r\n([0-9a-f]{1,17}\r\n){0,3}") {
            let secret = secret().in_body();
            let mut rewriter = rewriter(&secret);
            let _ = rewriter.rewrite(&bytes);
            let _ = rewriter.rewrite(more.as_bytes());
            let _ = super::Rewriter::new(&"api.example.com".parse().unwrap(), &[secret]).unwrap().rewrite(more.as_bytes());
        }
    }
}
