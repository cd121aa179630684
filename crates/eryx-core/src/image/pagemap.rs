//! Which pages of a mapping were written to: Linux tells. Others look at all.

use super::PAGE;

/// The numbers of those pages of `memory` that may differ from what was mapped
/// there, in order.
pub(super) fn written(memory: &[u8]) -> Vec<usize> {
    told(memory).unwrap_or_else(|| (0..memory.len() / PAGE).collect())
}

#[cfg(not(target_os = "linux"))]
fn told(_memory: &[u8]) -> Option<Vec<usize>> {
    None
}

#[cfg(target_os = "linux")]
fn told(memory: &[u8]) -> Option<Vec<usize>> {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::OnceLock;

    /// An entry of the file: of a page that is in memory, that is swapped out,
    /// that is a file's or shared. A written page of a private mapping is no
    /// longer a file's.
    const ENTRY: usize = 8;
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE: u64 = 1 << 61;
    const AT_ONCE: usize = 8192;

    static PAGEMAP: OnceLock<Option<File>> = OnceLock::new();
    let pagemap = PAGEMAP.get_or_init(|| File::open("/proc/self/pagemap").ok()).as_ref()?;
    let address = memory.as_ptr().addr();
    if rustix::param::page_size() != PAGE || !address.is_multiple_of(PAGE) {
        return None;
    }
    let count = memory.len() / PAGE;
    let mut written = Vec::new();
    let mut entries = vec![0; count.min(AT_ONCE) * ENTRY];
    let mut first = 0;
    while first < count {
        let now = (count - first).min(AT_ONCE);
        let entries = entries.get_mut(..now * ENTRY)?;
        let offset = u64::try_from((address / PAGE + first) * ENTRY).ok()?;
        pagemap.read_exact_at(entries, offset).ok()?;
        let (entries, _) = entries.as_chunks::<ENTRY>();
        written.extend(entries.iter().enumerate().filter_map(|(number, entry)| {
            let entry = u64::from_ne_bytes(*entry);
            let is_written = entry & (PRESENT | SWAPPED) != 0 && entry & OF_FILE == 0;
            is_written.then_some(first + number)
        }));
        first += now;
    }
    Some(written)
}
