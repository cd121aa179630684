//! By the file itself, which has an entry for each page.

use super::super::runs::push;
use super::PAGE;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

const ENTRY: usize = 8;
/// Bits of an entry: of a page that is in memory, that is swapped out, that is a
/// file's or shared. A written page of a private mapping is no longer a file's.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;

/// Entries that are read at once.
const AT_ONCE: usize = 8192;

pub(super) fn told(pagemap: &File, memory: &[u8]) -> Option<Vec<Range<usize>>> {
    runs(pagemap, memory, |entry| entry & (PRESENT | SWAPPED) != 0 && entry & OF_FILE == 0)
}

/// The runs of pages that are in memory.
#[cfg(test)]
pub(super) fn present(pagemap: &File, memory: &[u8]) -> Option<Vec<Range<usize>>> {
    runs(pagemap, memory, |entry| entry & PRESENT != 0)
}

fn runs(pagemap: &File, memory: &[u8], counts: impl Fn(u64) -> bool) -> Option<Vec<Range<usize>>> {
    let count = memory.len() / PAGE;
    let place = memory.as_ptr().addr() / PAGE;
    let mut runs = Vec::new();
    let mut entries = vec![0; count.min(AT_ONCE) * ENTRY];
    for first in (0..count).step_by(AT_ONCE) {
        let entries = entries.get_mut(..(count - first).min(AT_ONCE) * ENTRY)?;
        let offset = u64::try_from((place + first) * ENTRY).ok()?;
        pagemap.read_exact_at(entries, offset).ok()?;
        let (entries, _) = entries.as_chunks::<ENTRY>();
        for (page, entry) in (first..).zip(entries) {
            if counts(u64::from_ne_bytes(*entry)) {
                push(&mut runs, page..page + 1);
            }
        }
    }
    Some(runs)
}
