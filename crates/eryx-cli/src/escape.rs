/// Makes a program's text safe for a terminal: control characters but tab and
/// newline appear as escapes, so that they do nothing.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The same for text that comes in pieces, which may end within a character.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    begun: Vec<u8>,
}

impl Pieces {
    pub(crate) fn next(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(piece);
        let whole = bytes.len().saturating_sub(begun_at_the_end(&bytes));
        self.begun = bytes.split_off(whole);
        for_terminal(&String::from_utf8_lossy(&bytes))
    }

    /// What was begun and not ended.
    pub(crate) fn last(&mut self) -> String {
        let bytes = std::mem::take(&mut self.begun);
        for_terminal(&String::from_utf8_lossy(&bytes))
    }
}

/// How many bytes at the end could become a character with those that follow.
fn begun_at_the_end(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Pieces, for_terminal};

    #[test]
    fn control_sequences_do_nothing() {
        assert_eq!(for_terminal("a\tb\n\x1b]0;own\x07"), "a\tb\n\\u{1b}]0;own\\u{7}");
        assert_eq!(for_terminal("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(for_terminal("né 漢字"), "né 漢字");
    }

    #[test]
    fn pieces_may_end_anywhere() {
        let bytes = [b"n\xff\xe6\x1b".as_slice(), "é漢字🐍".as_bytes(), b"\xf0\x9f"].concat();
        let whole = for_terminal(&String::from_utf8_lossy(&bytes));
        for cut in 1..bytes.len() {
            let mut pieces = Pieces::default();
            let mut text: String = bytes.chunks(cut).map(|piece| pieces.next(piece)).collect();
            text += &pieces.last();
            assert_eq!(text, whole, "{cut}");
        }
    }
}
