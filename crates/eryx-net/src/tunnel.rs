use crate::policy::Host;

/// Bytes of a request's first line that are looked at.
const MOST_LINE: usize = 4 << 10;

const METHOD: &[u8] = b"CONNECT ";

/// What a proxy was asked to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// Whether the first thing that was said on a connection asks a proxy for another one,
/// as HTTP's `CONNECT` does.
#[derive(Debug)]
pub(crate) enum Tunnel {
    /// The beginning of the line that tells.
    Unknown(Vec<u8>),
    No,
    To(Target),
}

impl Default for Tunnel {
    fn default() -> Self {
        Self::Unknown(Vec::new())
    }
}

impl Tunnel {
    /// The target that `bytes`, which come next, ask for.
    pub(crate) fn look(&self, bytes: &[u8]) -> Option<Target> {
        match self.then(bytes)? {
            Self::To(target) => Some(target),
            Self::Unknown(_) | Self::No => None,
        }
    }

    /// `bytes` were sent.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if let Some(next) = self.then(bytes) {
            *self = next;
        }
    }

    pub(crate) fn target(&self) -> Option<&Target> {
        match self {
            Self::To(target) => Some(target),
            Self::Unknown(_) | Self::No => None,
        }
    }

    /// What this is after `bytes`; none if it is what it was.
    fn then(&self, bytes: &[u8]) -> Option<Self> {
        let Self::Unknown(line) = self else { return None };
        let more = bytes.get(..MOST_LINE).unwrap_or(bytes);
        let line = [line.as_slice(), more].concat();
        let begins = line.len().min(METHOD.len());
        if line.get(..begins) != METHOD.get(..begins) {
            return Some(Self::No);
        }
        match line.iter().position(|byte| *byte == b'\n') {
            Some(end) => Some(line.get(..end).and_then(target).map_or(Self::No, Self::To)),
            None if line.len() >= MOST_LINE => Some(Self::No),
            None => Some(Self::Unknown(line)),
        }
    }
}

/// What a whole line asks for.
fn target(line: &[u8]) -> Option<Target> {
    let line = std::str::from_utf8(line).ok()?;
    let authority = line.strip_prefix("CONNECT ")?.split(' ').next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(Target { host: inner.unwrap_or(host).parse().ok()?, port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(bytes: &[u8]) -> Option<String> {
        let mut tunnel = Tunnel::default();
        let whole = tunnel.look(bytes);
        // However it is cut, it comes to the same.
        for byte in bytes {
            tunnel.pass(&[*byte]);
        }
        assert_eq!(tunnel.target(), whole.as_ref());
        whole.map(|target| format!("{} {}", target.host, target.port))
    }

    #[test]
    fn only_a_whole_line_that_asks() {
        for (sent, target) in [
            ("CONNECT A.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n", Some("a.test 443")),
            ("CONNECT [::ffff:10.0.0.1]:80 HTTP/1.0\n", Some("10.0.0.1 80")),
            ("CONNECT a.test:443 HTTP/1.1\r", None),
            ("CONNECT a.test HTTP/1.1\r\n", None),
            ("CONNECT 127.1:80 HTTP/1.1\r\n", None),
            ("CONNECT a.test:+1 HTTP/1.1\r\n", None),
            ("CONNECT a.test:65536 HTTP/1.1\r\n", None),
            ("connect a.test:443 HTTP/1.1\r\n", None),
            ("GET / HTTP/1.1\r\n\r\nCONNECT a.test:443 HTTP/1.1\r\n", None),
            ("", None),
        ] {
            assert_eq!(asked(sent.as_bytes()).as_deref(), target, "{sent:?}");
        }
        let endless = format!("CONNECT {}:443 HTTP/1.1\r\n", "a".repeat(MOST_LINE));
        assert_eq!(asked(endless.as_bytes()), None);
    }
}
