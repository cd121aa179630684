//! Which pages of a mapping were written to, by the word of the kernel.

#[cfg(target_os = "linux")]
mod read;
#[cfg(target_os = "linux")]
mod scan;

use super::PAGE;
use std::ops::Range;

/// The runs of those pages of `memory` that may differ from what was mapped
/// there, in order.
pub(super) fn written(memory: &[u8]) -> Vec<Range<usize>> {
    let all = 0..memory.len() / PAGE;
    told(memory).unwrap_or_else(|| Vec::from([all]))
}

/// As [`written`], or `None` if the kernel does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn told(_memory: &[u8]) -> Option<Vec<Range<usize>>> {
    None
}

/// As [`written`], or `None` if the kernel does not tell.
#[cfg(target_os = "linux")]
pub(super) fn told(memory: &[u8]) -> Option<Vec<Range<usize>>> {
    let pagemap = pagemap()?;
    if rustix::param::page_size() != PAGE || !memory.as_ptr().addr().is_multiple_of(PAGE) {
        return None;
    }
    scan::told(pagemap, memory).or_else(|| read::told(pagemap, memory))
}

#[cfg(target_os = "linux")]
fn pagemap() -> Option<&'static std::fs::File> {
    use std::fs::File;
    use std::process;
    use std::sync::OnceLock;

    static PAGEMAP: OnceLock<Option<(u32, File)>> = OnceLock::new();
    let open = || Some((process::id(), File::open("/proc/self/pagemap").ok()?));
    let (process, pagemap) = PAGEMAP.get_or_init(open).as_ref()?;
    // After a fork without exec it still tells of the parent.
    (*process == process::id()).then_some(pagemap)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Pages of an anonymous mapping, of which these are written to.
    fn pages(count: usize, written: &[Range<usize>]) -> (Vec<u8>, usize) {
        let mut memory = vec![0; (count + 1) * PAGE];
        let start = memory.as_ptr().addr().next_multiple_of(PAGE) - memory.as_ptr().addr();
        for page in written.iter().cloned().flatten() {
            memory[start + page * PAGE + 17] = 1;
        }
        (memory, start)
    }

    #[test]
    fn both_ways_tell_what_was_written() -> Result<(), &'static str> {
        let runs: Vec<_> = (0..1000).map(|run| run * 30 + 5..run * 30 + 7 + run % 20).collect();
        let (memory, start) = pages(40_000, &runs);
        let memory = &memory[start..start + 40_000 * PAGE];
        let pagemap = pagemap().ok_or("no page map")?;
        assert_eq!(read::told(pagemap, memory), Some(runs.clone()));
        if let Some(scanned) = scan::told(pagemap, memory) {
            assert_eq!(scanned, runs);
        }
        Ok(())
    }

    #[test]
    fn nothing_is_told_of_what_is_no_whole_page() {
        let (memory, start) = pages(4, &[]);
        assert_eq!(told(&memory[start + 1..start + 1 + 3 * PAGE]), None);
    }
}
