//! What may be in JSON that crosses between guest and host.

/// Refuses JSON that is nested deeper than `limit`, before anything recurses
/// into it, or holds more than so many `values` and keys, before there is memory
/// taken for them, and integers that would not arrive as they are.
pub(crate) fn check(json: &[u8], limit: usize, values: usize) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut count = 1_usize;
    // Where the number begins that is being read.
    let mut number = None;
    for (place, &byte) in json.iter().enumerate() {
        let in_number = !in_text && matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        if in_number {
            number.get_or_insert(place);
        } else if let Some(begin) = number.take() {
            check_number(json.get(begin..place).unwrap_or_default())?;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                count += 1;
            }
            b',' | b':' if !in_text => count += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return Err(format!("values are nested deeper than {limit} levels, the limit"));
        }
        if count > values {
            return Err(format!("there are more than {values} values and keys, the limit"));
        }
    }
    check_number(number.and_then(|begin| json.get(begin..)).unwrap_or_default())
}

fn check_number(number: &[u8]) -> Result<(), String> {
    // Those of up to 18 digits fit. The letters are of floats, `true` and `false`.
    if number.len() <= 18 || number.iter().any(|byte| b".eE".contains(byte)) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(number);
    if text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok() {
        return Ok(());
    }
    Err("an integer is not between -2**63 and 2**64 - 1: pass it as text".into())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn counts_nesting_outside_of_texts() {
        assert!(check(br#"{"a[[[": ["\"[[[", []]}"#, 3, 9).is_ok());
        assert!(check(b"[[[]]]", 2, 9).is_err());
        assert!(check(b"]]]][", 1, 9).is_ok());
    }

    #[test]
    fn counts_values_and_keys_outside_of_texts() {
        let json = br#"{"a": [1, [], "x,[:"], "b": null}"#;
        assert!(check(json, 9, 9).is_ok());
        assert!(check(json, 9, 8).is_err());
    }

    #[test]
    fn integers_arrive_as_they_are_or_not_at_all() {
        assert!(check(b"[18446744073709551615, -9223372036854775808]", 1, 9).is_ok());
        assert!(check(b"18446744073709551616", 1, 9).is_err());
        assert!(check(b"[-9223372036854775809]", 1, 9).is_err());
        assert!(check(br#"["18446744073709551616", 1.8446744073709551616e30]"#, 1, 9).is_ok());
    }
}
