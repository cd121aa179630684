use std::fmt;
use std::ops::Deref;

/// At most so many bytes of the text, whole characters only.
pub(crate) fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        // What was cut is not kept.
        text.shrink_to_fit();
    }
    text
}

/// What a program printed: a `str` to use, with the very bytes at hand.
///
/// Programs may print bytes that are no UTF-8. They appear as `U+FFFD` in the
/// text and unchanged in [`as_bytes`](OutputText::as_bytes).
///
/// The text is the program's: it can hold terminal control sequences. Escape it
/// before it goes to a terminal or a log; `Debug` does.
///
/// ```
/// use eryx_core::OutputText;
///
/// let text = OutputText::from(b"caf\xff".to_vec());
/// assert_eq!(text, "caf\u{fffd}");
/// assert_eq!(text.as_bytes(), b"caf\xff");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OutputText {
    text: String,
    /// The bytes, where they are not those of the text.
    raw: Option<Vec<u8>>,
}

impl OutputText {
    /// The bytes as they were printed.
    pub fn as_bytes(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// The text; where bytes are no UTF-8, with `U+FFFD` in their place.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, taken out without a copy.
    pub fn into_string(self) -> String {
        self.text
    }
}

impl From<Vec<u8>> for OutputText {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self { text, raw: None },
            Err(error) => {
                let raw = error.into_bytes();
                Self { text: String::from_utf8_lossy(&raw).into_owned(), raw: Some(raw) }
            }
        }
    }
}

impl Deref for OutputText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for OutputText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Debug for OutputText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq<str> for OutputText {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for OutputText {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl PartialEq<String> for OutputText {
    fn eq(&self, other: &String) -> bool {
        self.text == *other
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn no_character_is_cut_in_two() {
        for (bytes, kept) in [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (4, "aéb"), (9, "aéb")] {
            assert_eq!(cut("aéb".into(), bytes), kept, "{bytes}");
        }
    }
}
