//! The memory of files.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Bytes in a block: what is copied at most when a byte of a fork changes.
pub(super) const BLOCK_LEN: usize = 64 << 10;

/// How many whole blocks the process keeps for the next files, 2 MiB.
const MOST_SPARE: usize = 32;

/// Blocks of files that are gone. An allocator gives so much memory back to the
/// system at once, and getting new pages costs more than writing them.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A part of a file, as long as what was written of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Block(Vec<u8>);

impl Block {
    /// Writes at `within`; never takes more memory than [`BLOCK_LEN`].
    pub(super) fn put(&mut self, within: usize, data: &[u8]) {
        self.make_room(within + data.len());
        let block = &mut self.0;
        if block.len() < within {
            block.resize(within, 0);
        }
        let (over, beyond) = data.split_at(data.len().min(block.len() - within));
        if let Some(old) = block.get_mut(within..within + over.len()) {
            old.copy_from_slice(over);
        }
        block.extend_from_slice(beyond);
    }

    fn make_room(&mut self, end: usize) {
        let block = &mut self.0;
        if end <= block.capacity() {
            return;
        }
        // Little more than is charged for, yet few copies of what grows slowly.
        let step = block.capacity() / 4;
        let capacity = end.max(block.capacity().saturating_add(step).min(BLOCK_LEN));
        if block.is_empty()
            && capacity == BLOCK_LEN
            && let Some(spare) = SPARE.try_lock().ok().and_then(|mut spare| spare.pop())
        {
            *block = spare;
        } else {
            block.reserve_exact(capacity - block.len());
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.0.capacity() != BLOCK_LEN {
            return;
        }
        if let Ok(mut spare) = SPARE.try_lock()
            && spare.len() < MOST_SPARE
        {
            self.0.clear();
            spare.push(std::mem::take(&mut self.0));
        }
    }
}

impl Deref for Block {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_takes_little_more_than_it_holds() {
        let mut block = Block::default();
        for at in 0..BLOCK_LEN {
            block.put(at, b"x");
            assert!(block.capacity() <= (at + 1) * 5 / 4 + 8, "{} for {at}", block.capacity());
        }
    }

    #[test]
    fn a_spare_block_shows_nothing_of_its_past() {
        for _ in 0..MOST_SPARE {
            let mut block = Block::default();
            block.put(0, &vec![7; BLOCK_LEN]);
        }
        let mut block = Block::default();
        block.put(BLOCK_LEN - 1, b"x");
        assert_eq!(block.len(), BLOCK_LEN);
        assert!(block[..BLOCK_LEN - 1].iter().all(|byte| *byte == 0));
    }
}
