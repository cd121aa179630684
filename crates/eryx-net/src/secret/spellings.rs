//! How servers write a value that they repeat.

/// Characters that stay as they are in URLs, beside letters and digits: by the standard,
/// in Python's `quote`, in JavaScript.
const UNRESERVED: [&str; 3] = ["", "/", "!'()*"];

/// Characters that JSON gets as `\u0026`, if not all and not only those it must: of Go,
/// Jinja, PHP and .NET.
const ESCAPED: [&str; 5] = ["", "&<>", "&<>'", "&<>'\"", "&<>'\"+`"];

/// `"` and `'` in HTML; without any in its text.
const QUOTES: [[&str; 2]; 7] = [
    ["\"", "'"],
    ["&quot;", "'"],
    ["&quot;", "&#39;"],
    ["&quot;", "&#039;"],
    ["&quot;", "&#x27;"],
    ["&quot;", "&apos;"],
    ["&#34;", "&#39;"],
];

/// All ways in which servers may write a value, each once.
pub(super) fn all(value: &str) -> Vec<Vec<u8>> {
    let mut all = vec![value.as_bytes().to_vec()];
    for kept in UNRESERVED {
        let upper = percent(value, kept);
        let lower = lower_codes(&upper);
        for written in [upper, lower] {
            all.push(String::from_utf8_lossy(&written).replace("%20", "+").into_bytes());
            all.push(written);
        }
    }
    for escaped in ESCAPED {
        let upper = String::from_utf8_lossy(&json(value, escaped)).into_owned();
        for written in [lower_escapes(&upper), upper] {
            all.push(written.replace('/', "\\/").into_bytes());
            all.push(written.into_bytes());
        }
    }
    for quotes in QUOTES {
        all.push(html(value, quotes).into_bytes());
    }
    all.sort();
    all.dedup();
    all
}

/// Percent-encoded but for letters, digits and what is `kept`.
pub(super) fn percent(value: &str, kept: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value.bytes() {
        let stays = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if stays || kept.as_bytes().contains(&byte) {
            out.push(byte);
        } else {
            out.extend(format!("%{byte:02X}").bytes());
        }
    }
    out
}

/// Within a JSON string, with numbers for what is `escaped`.
pub(super) fn json(value: &str, escaped: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            _ if escaped.as_bytes().contains(&byte) => out.extend(format!("\\u{byte:04X}").bytes()),
            // A value has no control characters: these two are all.
            b'"' | b'\\' => out.extend([b'\\', byte]),
            _ => out.push(byte),
        }
    }
    out
}

fn html(value: &str, [double, single]: [&str; 2]) -> String {
    let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    value.replace('"', double).replace('\'', single)
}

/// With the codes after `%` in small letters.
fn lower_codes(written: &[u8]) -> Vec<u8> {
    let mut out = written.to_vec();
    let mut rest = out.as_mut_slice();
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (code, after) = rest.split_at_mut(rest.len().min(at + 3));
        code.get_mut(at..).unwrap_or_default().make_ascii_lowercase();
        rest = after;
    }
    out
}

/// With the numbers after `\u` in small letters; what precedes is JSON.
fn lower_escapes(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        out.push(letter);
        if letter == '\\'
            && let Some(next) = letters.next()
        {
            out.push(next);
            if next == 'u' {
                out.extend(letters.by_ref().take(4).map(|digit| digit.to_ascii_lowercase()));
            }
        }
    }
    out
}
