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

#[cfg(test)]
mod tests {
    use super::for_terminal;

    #[test]
    fn control_sequences_do_nothing() {
        assert_eq!(for_terminal("a\tb\n\x1b]0;own\x07"), "a\tb\n\\u{1b}]0;own\\u{7}");
        assert_eq!(for_terminal("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(for_terminal("né 漢字"), "né 漢字");
    }
}
