use std::io::{self, Read};

/// Bytes kept at most.
const ROOM: usize = 256 << 10;

/// Records from the peer that rustls has not seen: a queue that keeps its
/// memory.
#[derive(Debug, Default)]
pub(super) struct Records {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Records {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes what fits of `bytes`; how many did.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let Ok(taken) = self.fill(|room| {
            let length = room.len().min(bytes.len());
            if let (Some(room), Some(bytes)) = (room.get_mut(..length), bytes.get(..length)) {
                room.copy_from_slice(bytes);
            }
            Ok::<_, std::convert::Infallible>(length)
        });
        taken
    }

    /// Has `read` put bytes into what room there is; how many it did.
    pub(super) fn fill<E>(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        if self.memory.is_empty() {
            self.memory = vec![0; ROOM];
        }
        self.memory.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end.saturating_sub(self.start));
        let room = self.memory.get_mut(self.end..).unwrap_or_default();
        let most = room.len();
        let filled = read(room)?.min(most);
        self.end += filled;
        Ok(filled)
    }
}

impl Read for Records {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut unseen = self.memory.get(self.start..self.end).unwrap_or_default();
        let length = unseen.read(buffer)?;
        self.start += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_no_more_than_fits_goes_in() {
        let mut records = Records::default();
        assert!(records.is_empty());
        let bytes: Vec<u8> = (0..ROOM + 5).map(|n| u8::try_from(n % 251).unwrap()).collect();
        assert_eq!(records.push(&bytes), ROOM);
        assert_eq!(records.push(&bytes), 0);
        let mut first = [0; 10];
        records.read_exact(&mut first).unwrap();
        assert_eq!(records.push(&bytes[ROOM..]), 5);
        let mut rest = Vec::new();
        records.read_to_end(&mut rest).unwrap();
        assert_eq!([&first[..], &rest].concat(), bytes);
        assert!(records.is_empty());
    }

    #[test]
    fn a_failed_read_leaves_what_was_there() {
        let mut records = Records::default();
        records.push(b"abc");
        assert_eq!(records.fill(|_| Err("no")), Err("no"));
        let mut all = Vec::new();
        records.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"abc");
    }
}
