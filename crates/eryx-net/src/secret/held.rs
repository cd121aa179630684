use memchr::memmem;

/// Bytes that came and are not passed on yet. Taking some from the front moves nothing,
/// and what was searched is not searched again.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    start: usize,
    searched: usize,
}

impl Held {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where `wanted` begins, if it ends within the first `most` bytes. Whoever looks
    /// for something else says so first: see [`anew`](Self::anew).
    pub(super) fn find(&mut self, wanted: &[u8], most: usize) -> Option<usize> {
        let from = self.searched.saturating_sub(wanted.len().saturating_sub(1));
        let text = self.as_slice();
        let text = text.get(..most).unwrap_or(text);
        let found = text.get(from..).and_then(|text| memmem::find(text, wanted));
        self.searched = text.len();
        found.map(|at| from + at)
    }

    /// Forgets what was searched.
    pub(super) fn anew(&mut self) {
        self.searched = 0;
    }

    /// At most so many bytes from the front.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let text = self.as_slice();
        let taken = text.get(..most).unwrap_or(text).to_vec();
        self.start += taken.len();
        self.anew();
        taken
    }

    /// At most `left` bytes from the front; `left` is what remains to come.
    pub(super) fn take_of(&mut self, left: &mut u64) -> Vec<u8> {
        let taken = self.take(usize::try_from(*left).unwrap_or(usize::MAX));
        *left = left.saturating_sub(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        taken
    }

    /// All there is.
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        self.take(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_across_pieces_and_taken_in_parts() {
        let mut held = Held::default();
        held.push(b"ab\r");
        assert_eq!(held.find(b"\r\n", 9), None);
        held.push(b"\ncd\r\n");
        assert_eq!(held.find(b"\r\n", 3), None);
        assert_eq!(held.find(b"\r\n", 9), Some(2));
        assert_eq!(held.take(4), b"ab\r\n");
        assert_eq!(held.find(b"\r\n", 9), Some(2));
        let mut left = 3;
        assert_eq!(held.take_of(&mut left), b"cd\r");
        held.push(b"ef");
        assert_eq!((held.take_all(), left, held.is_empty()), (b"\nef".to_vec(), 0, true));
    }
}
