//! The secrets that there are, and where their values may be.

use super::input::Input;
use super::reader::Message;
use crate::policy::HostName;
use crate::secret::replacer::MOST_GROWTH;
use crate::secret::{Rewriter, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

/// The server of the session.
pub(super) const HOST: &str = "api.example.com";

/// The placeholders: of two secrets that are for the server, and of one that is not.
pub(super) const KEYS: [&str; 3] = [
    "eryx_secret_00112233445566778899aabbccddeeff",
    "eryx_secret_00112233445566778899aabbccddeef0",
    "eryx_secret_ffeeddccbbaa99887766554433221100",
];

pub(super) struct Setting {
    pub(super) values: [String; 3],
    pub(super) in_target: bool,
    pub(super) in_body: bool,
}

impl Setting {
    pub(super) fn decode(input: &mut Input<'_>) -> Self {
        let flags = input.byte();
        let first = match flags >> 4 {
            0 => "V".repeat(4096),
            1 => "V4l!".to_owned(),
            _ => "one \"Val\\ue&=".to_owned(),
        };
        Self {
            values: [first, "the%Second+One!".to_owned(), "AnotherServer'sValue".to_owned()],
            in_target: flags & 1 == 1,
            in_body: flags & 2 == 2,
        }
    }

    pub(super) fn rewriter(&self) -> Rewriter {
        let secrets: Vec<Secret> = (0..KEYS.len()).map(|number| self.secret(number)).collect();
        Rewriter::new(&HOST.parse::<HostName>().unwrap(), &secrets).unwrap()
    }

    /// Bytes 1 to 6 stand for the values, written in three ways.
    pub(super) fn fill_in(&self, stream: &[u8]) -> Vec<u8> {
        let encodes: [fn(&str) -> String; 3] = [plain, percent, json];
        let written = |byte: u8| match byte {
            1..=6 => {
                let number = usize::from(byte - 1);
                encodes[number % 3](&self.values[number / 3]).into_bytes()
            }
            other => vec![other],
        };
        stream.iter().flat_map(|byte| written(*byte)).collect()
    }

    /// What the guest gets of a server's answer to such a request.
    pub(super) fn answer(&self, method: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let mut rewriter = self.rewriter();
        rewriter
            .rewrite(format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes())
            .unwrap();
        let mut out = Vec::new();
        for piece in pieces {
            rewriter.clean(piece, &mut out);
        }
        rewriter.end(&mut out);
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(out.len() <= length * 8 + 2 * MOST_GROWTH, "{length} bytes became {}", out.len());
        for number in 0..2 {
            assert!(!self.has_value(number, &out), "{:?}", out.escape_ascii().to_string());
        }
        out
    }

    fn secret(&self, number: usize) -> Secret {
        let host = if number < 2 { HOST } else { "other.example.com" };
        // The second one goes into fields only.
        let elsewhere = number != 1;
        Secret {
            name: KEYS[number].to_owned(),
            value: self.values[number].as_str().into(),
            placeholder: KEYS[number].to_owned(),
            hosts: vec![host.parse().unwrap()],
            in_target: self.in_target && elsewhere,
            in_body: self.in_body && elsewhere,
        }
    }

    /// The text with what shall be in the place of placeholders, written by `encode`.
    pub(super) fn put(&self, text: &str, encode: fn(&str) -> String, in_field: bool) -> String {
        let text = text.replace(KEYS[0], &encode(&self.values[0]));
        if in_field { text.replace(KEYS[1], &encode(&self.values[1])) } else { text }
    }

    /// How much may come out: what values add is limited by how often a placeholder can
    /// have come and once more for each request; a piece may become a chunk.
    pub(super) fn most_out(&self, length: usize, pieces: usize) -> usize {
        let longest = self.values.iter().map(String::len).max().unwrap_or(0);
        let values = (length / KEYS[0].len() + 1) * 4 * longest;
        let requests = length / "GET / HTTP/1.1\r\n\r\n".len() + 1;
        let most = requests * (MOST_GROWTH / 3 * 4 + 100);
        length * 2 + values.min(most) + requests * 100 + pieces * 100
    }

    /// Values are where they may be, and placeholders are not where values shall be.
    pub(super) fn check_values(&self, stream: &[u8], messages: &[Message]) {
        if (0..KEYS.len()).any(|number| self.has_value(number, stream)) {
            return;
        }
        for message in messages {
            let said = format!("{message:?}");
            let own = message.is_for(HOST);
            let (target, body) = (own && self.in_target, own && self.in_body);
            for (number, key) in KEYS.iter().enumerate() {
                let may_be = |place: bool| place && number == 0;
                let has = |text: &[u8]| self.has_value(number, text);
                assert!(may_be(target) || !has(&message.request), "{said}");
                assert!(may_be(body) || !has(&message.body), "{said}");
                assert!(!has(&message.trailer) && !has(&message.opaque), "{said}");
                for (_, value) in &message.fields {
                    let ours = own && number < 2;
                    assert!(ours || !has(value) && !has(&in_basic(value)), "{said}");
                    assert!(!ours || memmem::find(value, key.as_bytes()).is_none(), "{said}");
                }
            }
        }
    }

    /// Whether the value is there, however it is written.
    fn has_value(&self, number: usize, text: &[u8]) -> bool {
        let value = &self.values[number];
        [plain, percent, json]
            .iter()
            .any(|encode| memmem::find(text, encode(value).as_bytes()).is_some())
    }
}

fn in_basic(value: &[u8]) -> Vec<u8> {
    let last = value.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    STANDARD.decode(last).unwrap_or_default()
}

pub(super) fn plain(value: &str) -> String {
    value.to_owned()
}

pub(super) fn percent(value: &str) -> String {
    let write = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => letter.to_string(),
        _ => format!("%{:02X}", u32::from(letter)),
    };
    value.chars().map(write).collect()
}

pub(super) fn json(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}
