use std::fmt;
use std::ops::RangeInclusive;

/// The ports that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Every port but 0.
    pub fn all() -> Self {
        Self(vec![1..=u16::MAX])
    }

    /// One port.
    pub fn one(port: u16) -> Self {
        Self(vec![port..=port])
    }

    /// Whether `port` is among them.
    pub fn contains(&self, port: u16) -> bool {
        port != 0 && self.0.iter().any(|range| range.contains(&port))
    }

    /// Reads `443`, `80,443`, `8000-8100` or `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::all());
        }
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

/// A port in plain digits: `parse` alone would take a sign.
fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl Default for Ports {
    /// 443.
    fn default() -> Self {
        Self::one(443)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, range) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (1, &u16::MAX) => write!(f, "{comma}*")?,
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}
