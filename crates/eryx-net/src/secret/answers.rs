use super::chunks::{Chunks, Pieces, put_chunk};
use super::head::{Framing, Head};
use super::held::Held;
use super::replacer::MOST_GROWTH;
use super::rewriter::{END, MOST_HEAD, MOST_WHOLE};
use super::scrubber::Scrubber;
use super::{Refused, Secret};
use std::collections::VecDeque;

/// Answers that somebody waits for.
const MOST_ASKED: usize = 4096;

/// Puts placeholders back where a server's answers repeat values, so that these never
/// enter the guest.
///
/// It follows HTTP/1.1, as lengths are told there. What it does not take for that, and
/// long bodies, keep their length: asterisks stand where a value was.
pub(super) struct Answers {
    state: State,
    /// What is not passed on yet.
    held: Held,
    scrubber: Scrubber,
    asked: VecDeque<Asked>,
    /// Bytes that placeholders may still add to this answer.
    room: usize,
    /// The last that the guest got: a value may go on where an answer has ended.
    tail: Vec<u8>,
}

/// What the request was that an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// With nothing special about its answer.
    Ordinary,
    /// `HEAD`: the answer has no body.
    Head,
    /// `CONNECT`: what follows the answer is not HTTP with this server.
    Tunnel,
}

enum State {
    Head,
    /// A body whose length is to be told before it.
    Whole {
        head: Head,
        length: usize,
    },
    /// So many bytes, and no more or fewer.
    Body(u64),
    Chunks(Chunks),
    /// All that comes is the body.
    UntilEnd,
    /// No HTTP, or no more of it.
    Opaque,
}

impl Answers {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        Self {
            state: State::Head,
            held: Held::default(),
            scrubber: Scrubber::new(secrets),
            asked: VecDeque::new(),
            room: 0,
            tail: Vec::new(),
        }
    }

    /// A request was sent.
    pub(super) fn expect(&mut self, asked: Asked) {
        if self.asked.len() < MOST_ASKED {
            self.asked.push_back(asked);
        } else {
            self.state = State::Opaque;
        }
    }

    pub(super) fn learn(&mut self, sent: &[u8], written: &[u8]) {
        self.scrubber.learn(sent, written);
    }

    /// What the guest gets, the server having sent `bytes`. Something may be held back
    /// until more has come.
    pub(super) fn clean(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.push(bytes);
        let mut fresh = Vec::new();
        while !self.held.is_empty() && self.step(&mut fresh) {}
        self.pass(fresh, out);
    }

    /// The server has ended, wherever it was.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        let mut fresh = Vec::new();
        match std::mem::replace(&mut self.state, State::Opaque) {
            State::Head => self.scrubber.resume(&self.tail),
            State::Whole { head, .. } => fresh.extend(head.to_bytes()),
            State::UntilEnd => self.scrubber.finish(&mut fresh, Some(&mut self.room)),
            State::Chunks(_) => {
                let mut rest = Vec::new();
                self.scrubber.finish(&mut rest, Some(&mut self.room));
                put_chunk(&rest, &mut fresh);
            }
            State::Body(_) | State::Opaque => {}
        }
        self.scrubber.push(&self.held.take_all(), &mut fresh, None);
        self.scrubber.finish(&mut fresh, None);
        self.pass(fresh, out);
    }

    /// The guest waits, and nothing more is there now.
    pub(super) fn stall(&mut self, out: &mut Vec<u8>) {
        let mut fresh = Vec::new();
        match self.state {
            State::Chunks(_) => {
                let mut rest = Vec::new();
                self.scrubber.release(&mut rest);
                put_chunk(&rest, &mut fresh);
            }
            State::Head | State::Whole { .. } => {}
            State::Body(_) | State::UntilEnd | State::Opaque => self.scrubber.release(&mut fresh),
        }
        self.pass(fresh, out);
    }

    fn pass(&mut self, mut fresh: Vec<u8>, out: &mut Vec<u8>) {
        self.tail.extend_from_slice(&fresh);
        self.tail.drain(..self.tail.len().saturating_sub(self.scrubber.longest()));
        out.append(&mut fresh);
    }

    /// What follows is no HTTP, after all that the guest got and `fresh`.
    fn turn_opaque(&mut self, fresh: &[u8]) {
        let before = [self.tail.as_slice(), fresh].concat();
        self.scrubber.resume(&before);
        self.state = State::Opaque;
    }

    /// Passes on what can be; whether there may be more to do.
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.state {
            State::Head => return self.head(out),
            State::Whole { head, length } => {
                if self.held.len() < *length {
                    return false;
                }
                let body = self.held.take(*length);
                let body = self.scrubber.whole(&body, Some(&mut self.room));
                if body.len() != *length {
                    head.set_length(body.len());
                }
                out.extend(head.to_bytes());
                out.extend(body);
                self.state = State::Head;
            }
            State::Body(left) => {
                self.scrubber.push(&self.held.take_of(left), out, None);
                if *left == 0 {
                    self.scrubber.finish(out, None);
                    self.state = State::Head;
                }
            }
            State::Chunks(chunks) => {
                match chunks.step(&mut self.scrubber, &mut self.held, out, &mut self.room) {
                    Ok(_) if chunks.ended() => self.state = State::Head,
                    Ok(went_on) => return went_on,
                    // The guest sees for itself that they are none.
                    Err(_) => self.state = State::Opaque,
                }
            }
            State::UntilEnd => {
                self.scrubber.push(&self.held.take_all(), out, Some(&mut self.room));
            }
            State::Opaque => self.scrubber.push(&self.held.take_all(), out, None),
        }
        true
    }

    fn head(&mut self, out: &mut Vec<u8>) -> bool {
        const BEGIN: &[u8] = b"HTTP/1.";
        const MOST: usize = MOST_HEAD + END.len();
        let text = self.held.as_slice();
        let begun = text.len().min(BEGIN.len());
        let end = self.held.find(END, MOST);
        let is_http = self.held.as_slice().get(..begun) == BEGIN.get(..begun);
        if is_http && end.is_none() && self.held.len() < MOST {
            return false;
        }
        let text = end.and_then(|end| self.held.as_slice().get(..end + END.len()));
        let head = text.filter(|_| is_http).and_then(Head::parse);
        let Some((head, status)) = head.and_then(|head| head.status().map(|status| (head, status)))
        else {
            self.turn_opaque(out);
            return true;
        };
        self.held.take(end.map_or(0, |end| end + END.len()));
        self.answer(head, status, out);
        true
    }

    fn answer(&mut self, mut head: Head, status: u16, out: &mut Vec<u8>) {
        self.room = MOST_GROWTH;
        head.scrub(&mut self.scrubber, &mut self.room);
        let asked = match status {
            101 => Asked::Tunnel,
            100..=199 => return out.extend(head.to_bytes()),
            _ => self.asked.pop_front().unwrap_or(Asked::Ordinary),
        };
        self.state = match (asked, status) {
            (Asked::Tunnel, 101 | 200..=299) => State::Opaque,
            (Asked::Head, _) | (_, 204 | 304) => State::Head,
            _ if !head.tells_length() => State::UntilEnd,
            _ => match head.answer_framing() {
                Ok(Framing::Chunked) => State::Chunks(Chunks::default()),
                Ok(Framing::Length(0)) => State::Head,
                Ok(Framing::Length(length)) => match usize::try_from(length) {
                    Ok(length) if length <= MOST_WHOLE => {
                        self.state = State::Whole { head, length };
                        return;
                    }
                    _ => State::Body(length),
                },
                Ok(Framing::Tunnel) | Err(_) => State::Opaque,
            },
        };
        out.extend(head.to_bytes());
    }
}

impl Pieces for Scrubber {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, room: &mut usize) -> Result<(), Refused> {
        Self::push(self, bytes, out, Some(room));
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Self::finish(self, out, None);
    }

    fn trailer(&mut self, line: Vec<u8>) -> Vec<u8> {
        self.whole(&line, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUE: &str = "s3cr3t-value";

    fn secret() -> Secret {
        Secret::new("KEY", VALUE, ["api.example.com".parse().unwrap()]).unwrap()
    }

    /// What the guest gets of an answer to such a request, `KEY` being the placeholder.
    fn cleaned(secret: &Secret, asked: &[Asked], pieces: &[&[u8]], ended: bool) -> String {
        let mut answers = Answers::new(std::slice::from_ref(secret));
        for asked in asked {
            answers.expect(*asked);
        }
        let mut out = Vec::new();
        for piece in pieces {
            answers.clean(piece, &mut out);
        }
        if ended {
            answers.end(&mut out);
        }
        String::from_utf8_lossy(&out).replace(secret.placeholder(), "KEY")
    }

    fn whole(asked: Asked, answer: &str) -> String {
        let secret = secret();
        let answer = answer.replace("VALUE", VALUE);
        let once = cleaned(&secret, &[asked], &[answer.as_bytes()], true);
        let bytes: Vec<_> = answer.as_bytes().chunks(1).collect();
        let pieces = cleaned(&secret, &[asked], &bytes, true);
        assert!(!once.contains(VALUE) && !pieces.contains(VALUE), "{once} {pieces}");
        assert_eq!(unchunked(&once), unchunked(&pieces));
        once
    }

    /// Without the lines between chunks, which may be cut anew.
    fn unchunked(answer: &str) -> String {
        let Some((head, body)) = answer.split_once("chunked\r\n\r\n") else { return answer.into() };
        let lines = body.split("\r\n").filter(|line| usize::from_str_radix(line, 16).is_err());
        format!("{head}{}", lines.collect::<String>())
    }

    #[test]
    fn lengths_stay_true() {
        let length = |body: &str| {
            let length = body.replace("VALUE", VALUE).replace("KEY", secret().placeholder()).len();
            format!("HTTP/1.1 200 Fine\r\nContent-Length: {length}\r\nA: b\r\n\r\n{body}")
        };
        for asked in [Asked::Ordinary, Asked::Tunnel] {
            let answer = length("<VALUE>").replace("200", "404");
            assert_eq!(whole(asked, &answer), length("<KEY>").replace("200", "404"));
        }
        // One after the other; some have no body whatever they say.
        let two = length("VALUE") + &length("x");
        assert_eq!(whole(Asked::Ordinary, &two), length("KEY") + &length("x"));
        let empty = "HTTP/1.1 304 VALUE\r\nContent-Length: 9\r\nLocation: /VALUE\r\n\r\n";
        let continued = "HTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(
            whole(Asked::Ordinary, &format!("{continued}{empty}{}", length("x"))),
            format!("{continued}{}{}", empty.replace("VALUE", "KEY"), length("x"))
        );
        let head = length("").replace(" 0", " 9");
        assert_eq!(whole(Asked::Head, &(head.clone() + &length("VALUE"))), head + &length("KEY"));
        let all = "HTTP/1.0 200 OK\r\n\r\nVALUE, VALUE";
        assert_eq!(whole(Asked::Ordinary, all), all.replace("VALUE", "KEY"));
    }

    #[test]
    fn chunks_are_cut_anew() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer =
            format!("{head}3;x\r\n<s3\r\n9\r\ncr3t-valu\r\n2\r\ne>\r\n0\r\nT: VALUE\r\n\r\n");
        let out = whole(Asked::Ordinary, &answer);
        assert_eq!(unchunked(&out), unchunked(&format!("{head}<KEY>\r\nT: ************\r\n\r\n")));
    }

    #[test]
    fn what_is_no_http_keeps_its_length() {
        let hidden = "*".repeat(VALUE.len());
        for text in [
            "+OK VALUE\r\n",
            "HTTP/2 VALUE",
            "HTTP/1.1 200 VALUE",
            "HTTP/1.1 x\r\nA: VALUE\r\n\r\n",
            "HTTP/1.1 200 OK\nA: VALUE\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nX: cut\r\n\r\nVALUE",
            "\r\nVALUE",
        ] {
            assert_eq!(whole(Asked::Ordinary, text), text.replace("VALUE", &hidden), "{text:?}");
        }
        for head in [
            "Content-Length: 1\r\nContent-Length: 12",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Content-Length: -1",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nVALUE");
            assert_eq!(whole(Asked::Ordinary, &text), text.replace("VALUE", &hidden), "{head}");
        }
        let switched = "HTTP/1.1 101 Go\r\nA: VALUE\r\n\r\n";
        let expected = format!("{}{hidden}", switched.replace("VALUE", "KEY"));
        assert_eq!(whole(Asked::Ordinary, &format!("{switched}VALUE")), expected);
        let tunnel = switched.replace("101", "200");
        let expected = format!("{}{hidden}", tunnel.replace("VALUE", "KEY"));
        assert_eq!(whole(Asked::Tunnel, &format!("{tunnel}VALUE")), expected);
    }

    #[test]
    fn long_bodies_keep_their_length() {
        let body = format!("{}VALUE", "x".repeat(MOST_WHOLE));
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MOST_WHOLE + VALUE.len());
        let out = whole(
            Asked::Ordinary,
            &format!("{head}{body}HTTP/1.1 200 VALUE\r\nContent-Length: 0\r\n\r\n"),
        );
        let next = "HTTP/1.1 200 KEY\r\nContent-Length: 0\r\n\r\n";
        assert!(out == head + &body.replace("VALUE", "************") + next);
    }

    #[test]
    fn what_placeholders_add_is_bounded() {
        let short = Secret::new("KEY", "abcd", []).unwrap();
        let body = "abcd".repeat(MOST_WHOLE / 4);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let out = cleaned(&short, &[Asked::Ordinary], &[head.as_bytes(), body.as_bytes()], false);
        assert!(out.contains("KEY****") && !out.contains("abcd"));
    }

    proptest! {
        /// Whatever a server sends, and however it comes: no value, nothing lost.
        #[test]
        fn no_value_in_any_answer(
            parts in proptest::collection::vec(
                "HTTP/1\\.[01] (200|101|204|304|100) [A-Z]{1,3}\r\n|Content-Length: [0-9]{1,2}\r\n|\
                 Transfer-Encoding: chunked\r\n|A: [a-z]{1,3}\r\n|\r\n|s3cr3t-value|s3cr3t|-value|[0-9a-c]\r\n|[ -~]{0,9}",
                0..14,
            ),
            size in 1..40usize,
            asked in proptest::sample::select(vec![Asked::Ordinary, Asked::Head, Asked::Tunnel]),
        ) {
            let (secret, text) = (secret(), parts.concat());
            let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
            let out = cleaned(&secret, &[asked], &pieces, true);
            prop_assert!(!out.contains(VALUE), "{}", out);
            let once = cleaned(&secret, &[asked], &[text.as_bytes()], true);
            prop_assert!(!once.contains(VALUE), "{}", once);
            if !text.contains("chunked") {
                prop_assert_eq!(&out, &once);
            }
            if !text.contains(VALUE) && !text.contains("chunked") {
                prop_assert_eq!(out, text);
            }
        }
    }
}
