use super::block::{BLOCK_LEN, Block};
use std::collections::BTreeMap;
use std::sync::Arc;

/// [`BLOCK_LEN`], as offsets are.
const BLOCK: u64 = 64 << 10;

/// The contents of a file: blocks, shared with forks until one changes. What
/// was never written has no block; a block is as long as what was written of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    size: u64,
    blocks: BTreeMap<u64, Arc<Block>>,
}

impl Contents {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let left = self.size.saturating_sub(offset);
        let length = usize::try_from(left).map_or(length, |left| left.min(length));
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let (number, within) = place(offset.saturating_add(len64(bytes.len())));
            let wanted = (length - bytes.len()).min(BLOCK_LEN - within);
            let end = bytes.len() + wanted;
            if let Some(part) = self.blocks.get(&number).and_then(|block| block.get(within..)) {
                bytes.extend_from_slice(part.get(..wanted).unwrap_or(part));
            }
            bytes.resize(end, 0);
        }
        bytes
    }

    /// The caller has seen to it that `offset + data.len()` is within limits.
    pub(super) fn write(&mut self, offset: u64, mut data: &[u8]) {
        let mut at = offset;
        while !data.is_empty() {
            let (number, within) = place(at);
            let (now, later) = data.split_at(data.len().min(BLOCK_LEN - within));
            Arc::make_mut(self.blocks.entry(number).or_default()).put(within, now);
            at = at.saturating_add(len64(now.len()));
            data = later;
        }
        self.size = self.size.max(at);
    }

    pub(super) fn set_size(&mut self, size: u64) {
        if size < self.size {
            let (number, within) = place(size);
            drop(self.blocks.split_off(&number.saturating_add(u64::from(within > 0))));
            if let Some(block) = self.blocks.get_mut(&number)
                && block.len() > within
            {
                let block = Arc::make_mut(block);
                block.truncate(within);
                block.shrink_to_fit();
            }
        }
        self.size = size;
    }
}

/// The block that holds the byte at `offset`, and where in it.
fn place(offset: u64) -> (u64, usize) {
    (offset / BLOCK, usize::try_from(offset % BLOCK).unwrap_or(0))
}

fn len64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_across_blocks_and_holes() {
        let mut contents = Contents::default();
        let data: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        contents.write(70_000, &data);
        assert_eq!(contents.size(), 270_000);
        assert_eq!(contents.read(0, 70_000), vec![0; 70_000]);
        assert_eq!(contents.read(70_000, usize::MAX), data);
        contents.set_size(100_000);
        contents.set_size(150_000);
        assert_eq!(contents.read(70_000, 30_000), data[..30_000]);
        assert_eq!(contents.read(100_000, 60_000), vec![0; 50_000]);
    }

    #[test]
    fn a_hole_takes_no_memory() {
        let mut contents = Contents::default();
        contents.write(1 << 50, b"x");
        assert_eq!(contents.blocks.len(), 1);
        contents.set_size(1 << 60);
        contents.set_size(1);
        assert!(contents.blocks.is_empty());
    }

    #[test]
    fn a_copy_shares_what_does_not_change() {
        let mut contents = Contents::default();
        contents.write(0, &vec![1; 3 * BLOCK_LEN]);
        let copy = contents.clone();
        contents.write(BLOCK, b"y");
        let shared = |n| Arc::ptr_eq(&contents.blocks[&n], &copy.blocks[&n]);
        assert!(shared(0) && !shared(1) && shared(2));
        assert_eq!(copy.read(BLOCK, 1), [1]);
    }
}
