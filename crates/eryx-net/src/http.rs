//! HTTP/1.1 as strictly as it has to be read where somebody else reads it, too.

/// A field's name and value. No name with spaces, no folded lines, no bare line
/// ends: servers differ in what they make of those.
pub(crate) fn field(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    let token = |byte: &u8| byte.is_ascii_graphic();
    (!name.is_empty() && name.iter().all(token) && is_one_line(value))
        .then(|| (name.to_vec(), value.to_vec()))
}

/// Whether nobody takes `text` for more than one line.
pub(crate) fn is_one_line(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// A value without the spaces around it. Of other characters, such as a form feed, some
/// servers make spaces and others do not: those stay.
pub(crate) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A number in digits only.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// The size in the line before a chunk.
pub(crate) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    plain.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}
