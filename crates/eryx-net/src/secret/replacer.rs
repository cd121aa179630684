use super::{PREFIX, Refused, Secret, spellings};
use memchr::memmem;

/// Bytes that secrets may add to one request: the guest chooses how often a
/// placeholder comes, the host's memory must not.
pub(super) const MOST_GROWTH: usize = 1 << 20;

/// How a value is written where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Plain,
    /// For paths, queries and forms.
    Percent,
    /// Within a JSON string.
    Json,
}

impl Encoding {
    /// What a body of this `Content-Type` wants.
    pub(super) fn of_content(kind: &[u8]) -> Self {
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii().to_ascii_lowercase();
        match kind.as_slice() {
            b"application/x-www-form-urlencoded" => Self::Percent,
            b"application/json" | b"text/json" => Self::Json,
            other if other.ends_with(b"+json") => Self::Json,
            _ => Self::Plain,
        }
    }

    fn encode(self, value: &str) -> Vec<u8> {
        match self {
            Self::Plain => value.as_bytes().to_vec(),
            Self::Percent => spellings::percent(value, ""),
            Self::Json => spellings::json(value, ""),
        }
    }
}

/// Puts values in the place of placeholders in a text that comes in pieces.
pub(super) struct Replacer {
    /// Placeholders and what is put in their place.
    values: Vec<(Vec<u8>, Vec<u8>)>,
    /// The beginning of what may be a placeholder.
    held: Vec<u8>,
}

impl Replacer {
    pub(super) fn new<'a>(
        secrets: impl IntoIterator<Item = &'a Secret>,
        encoding: Encoding,
    ) -> Self {
        let pair = |secret: &Secret| {
            (secret.placeholder.clone().into_bytes(), encoding.encode(&secret.value))
        };
        Self { values: secrets.into_iter().map(pair).collect(), held: Vec::new() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.values.is_empty()
    }

    /// Puts `bytes` into `out` but for what may be the beginning of a
    /// placeholder. What the values take comes off `room`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        room: &mut usize,
    ) -> Result<(), Refused> {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let mut rest = held.as_slice();
        while let Some((before, found)) =
            memmem::find(rest, PREFIX).and_then(|start| rest.split_at_checked(start))
        {
            out.extend_from_slice(before);
            if self.values.iter().any(|(own, _)| own.len() > found.len() && own.starts_with(found))
            {
                self.held = found.to_vec();
                return Ok(());
            }
            let known = self.values.iter().find(|(own, _)| found.starts_with(own));
            let length = if let Some((own, value)) = known {
                *room = room.checked_sub(value.len()).ok_or(Refused::TooMuch)?;
                out.extend_from_slice(value);
                own.len()
            } else {
                out.extend_from_slice(PREFIX);
                PREFIX.len()
            };
            rest = found.get(length..).unwrap_or_default();
        }
        let kept = (1..PREFIX.len())
            .rev()
            .find(|length| PREFIX.get(..*length).is_some_and(|begin| rest.ends_with(begin)));
        let (sure, maybe) = rest
            .split_at_checked(rest.len().saturating_sub(kept.unwrap_or(0)))
            .unwrap_or((rest, &[]));
        out.extend_from_slice(sure);
        self.held = maybe.to_vec();
        Ok(())
    }

    /// What was held back: the text is over.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// A whole text.
    pub(super) fn replace(&mut self, text: &[u8], room: &mut usize) -> Result<Vec<u8>, Refused> {
        let mut out = Vec::with_capacity(text.len());
        self.push(text, &mut out, room)?;
        self.finish(&mut out);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(value: &str) -> Secret {
        Secret::new("KEY", value, []).unwrap()
    }

    #[test]
    fn values_are_written_as_the_place_wants() {
        for (encoding, expected) in [
            (Encoding::Plain, r#"a "b\c"&=%"#),
            (Encoding::Percent, "a%20%22b%5Cc%22%26%3D%25"),
            (Encoding::Json, r#"a \"b\\c\"&=%"#),
        ] {
            assert_eq!(encoding.encode(r#"a "b\c"&=%"#), expected.as_bytes());
        }
        for (kind, encoding) in [
            ("application/x-www-form-urlencoded", Encoding::Percent),
            (" Application/JSON; charset=utf-8", Encoding::Json),
            ("application/vnd.api+json", Encoding::Json),
            ("multipart/form-data; boundary=json", Encoding::Plain),
            ("", Encoding::Plain),
        ] {
            assert_eq!(Encoding::of_content(kind.as_bytes()), encoding, "{kind}");
        }
    }

    #[test]
    fn the_host_decides_how_much_a_guest_makes_of_it() {
        let secret = secret("0123456789");
        let text = secret.placeholder().repeat(3);
        let mut room = 30;
        let mut replacer = Replacer::new([&secret], Encoding::Plain);
        assert_eq!(
            replacer.replace(text.as_bytes(), &mut room).unwrap(),
            "0123456789".repeat(3).into_bytes()
        );
        assert_eq!(replacer.replace(text.as_bytes(), &mut room), Err(Refused::TooMuch));
    }

    proptest! {
        /// Cut anywhere, among parts of placeholders, unknown ones and known ones.
        #[test]
        fn pieces_do_not_matter(
            parts in proptest::collection::vec((0..4usize, 0..45usize), 0..12),
            size in 1..60usize,
        ) {
            let secrets = [secret("the first"), secret("the second"), secret("unknown")];
            let mut text = String::new();
            for (which, length) in parts {
                match secrets.get(which) {
                    Some(secret) if length > 20 => text.push_str(secret.placeholder()),
                    Some(secret) => text.push_str(&secret.placeholder()[..length]),
                    None => text.push_str("a quick eryx"),
                }
            }
            let [first, second, _] = &secrets;
            let expected = text.replace(first.placeholder(), "the first");
            let expected = expected.replace(second.placeholder(), "the second");
            let mut replacer = Replacer::new([first, second], Encoding::Plain);
            let (mut out, mut room) = (Vec::new(), MOST_GROWTH);
            for piece in text.as_bytes().chunks(size) {
                replacer.push(piece, &mut out, &mut room).unwrap();
            }
            replacer.finish(&mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
