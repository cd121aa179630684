use std::fmt;
use std::net::IpAddr;
use thiserror::Error;

/// The name of a host in the one spelling in which it is compared: lower case,
/// no dot at the end, ASCII (international names as `xn--`).
///
/// ```
/// use eryx_net::HostName;
///
/// let name: HostName = "API.Example.com.".parse().unwrap();
/// assert_eq!(name.as_str(), "api.example.com");
/// // What a resolver would read as 127.0.0.1 is no name.
/// assert!("0x7f.1".parse::<HostName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing there.
    #[error("a host name cannot be empty")]
    Empty,
    /// More than 253 bytes, or a label of more than 63.
    #[error("a host name has at most 253 bytes, and 63 between two dots")]
    TooLong,
    /// A character other than ASCII letters, digits, `-` and `_`.
    #[error("a host name has letters, digits, `-` and `_` between its dots, nothing else")]
    Character,
    /// It ends like an address.
    #[error("this is not a host name but a way to write an address")]
    Address,
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this machine by definition.
    pub(crate) fn is_localhost(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost")
    }
}

impl std::str::FromStr for HostName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > 253 {
            return Err(NameError::TooLong);
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(NameError::Address);
        }
        for label in text.split('.') {
            match label.len() {
                0 => return Err(NameError::Empty),
                1..=63 => {}
                _ => return Err(NameError::TooLong),
            }
            if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return Err(NameError::Character);
            }
        }
        if text.rsplit('.').next().is_some_and(looks_like_a_number) {
            return Err(NameError::Address);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// Whether C's `inet_aton` would read the label as a part of an address.
fn looks_like_a_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[test]
    fn spellings_of_addresses_are_no_names() {
        for text in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1", "1.0X1"]
        {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        for text in ["", ".", "a..b", ".a", "a b", "a\0b", "a/b", "é.example", "a:1"] {
            assert!(text.parse::<HostName>().is_err(), "{text:?}");
        }
        assert!("a".repeat(64).parse::<HostName>().is_err());
        assert!("1password.com".parse::<HostName>().is_ok());
        assert!("_dmarc.example.com".parse::<HostName>().is_ok());
    }

    proptest! {
        #[test]
        fn no_number_is_a_name(bits: u32) {
            let [a, b, c, d] = Ipv4Addr::from_bits(bits).octets();
            let rest = u32::from(c) << 8 | u32::from(d);
            for text in [
                format!("{bits}"),
                format!("{bits:#x}"),
                format!("0{bits:o}"),
                format!("{a}.{b}.{rest}"),
                format!("{a:#x}.{b}.{c}.{d:#x}"),
                format!("0{a:o}.{b}.{c}.0{d:o}."),
            ] {
                prop_assert!(text.parse::<HostName>().is_err(), "{}", text);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text: String) {
            if let Ok(name) = text.parse::<HostName>() {
                prop_assert_eq!(name.as_str().parse::<HostName>().unwrap(), name);
            }
        }
    }
}
