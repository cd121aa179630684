//! Which pages of a mapping were written to, by the word of the kernel.

#[cfg(target_os = "linux")]
mod read;
#[cfg(target_os = "linux")]
mod scan;

use super::PAGE;
#[cfg(target_os = "linux")]
use super::once::OncePerProcess;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::ops::Range;

/// The runs of those pages of `memory` that may differ from what was mapped
/// there, in order. Of pages that were zero before, those that are it still may be
/// left out: reading makes them known to the kernel.
pub(super) fn written(
    memory: &[u8],
    was_zero: impl Fn(&Range<usize>) -> bool,
) -> Vec<Range<usize>> {
    let all = 0..memory.len() / PAGE;
    told(memory, was_zero).unwrap_or_else(|| Vec::from([all]))
}

/// As [`written`], or `None` if the kernel does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn told(
    _memory: &[u8],
    _was_zero: impl Fn(&Range<usize>) -> bool,
) -> Option<Vec<Range<usize>>> {
    None
}

/// As [`written`], or `None` if the kernel does not tell.
#[cfg(target_os = "linux")]
pub(super) fn told(
    memory: &[u8],
    was_zero: impl Fn(&Range<usize>) -> bool,
) -> Option<Vec<Range<usize>>> {
    let pagemap = pagemap_of(memory)?;
    scan::told(pagemap, memory, was_zero).or_else(|| read::told(pagemap, memory))
}

/// The runs of those pages of `memory` that were read or written; none if the kernel
/// does not tell.
#[cfg(all(test, target_os = "linux"))]
pub(super) fn present(memory: &[u8]) -> Vec<Range<usize>> {
    pagemap_of(memory).and_then(|pagemap| read::present(pagemap, memory)).unwrap_or_default()
}

#[cfg(target_os = "linux")]
fn pagemap_of(memory: &[u8]) -> Option<&'static File> {
    let is_whole =
        rustix::param::page_size() == PAGE && memory.as_ptr().addr().is_multiple_of(PAGE);
    if is_whole { pagemap() } else { None }
}

#[cfg(target_os = "linux")]
fn pagemap() -> Option<&'static File> {
    static PAGEMAP: OncePerProcess<File> = OncePerProcess::new();
    PAGEMAP.get(|| File::open("/proc/self/pagemap").ok())
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
        if let Some(scanned) = scan::told(pagemap, memory, |_| false) {
            assert_eq!(scanned, runs);
        }
        Ok(())
    }

    #[test]
    fn zeros_that_were_only_read_are_not_written() -> Result<(), &'static str> {
        let (memory, start) = pages(1000, &[10..15, 15..20]);
        let memory = &memory[start..start + 1000 * PAGE];
        assert_eq!(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 10);
        let pagemap = pagemap().ok_or("no page map")?;
        if let Some(written) = scan::told(pagemap, memory, |run| run.start >= 20) {
            assert_eq!(written.last(), Some(&(0..20)));
        }
        Ok(())
    }

    #[test]
    fn nothing_is_told_of_what_is_no_whole_page() {
        let (memory, start) = pages(4, &[]);
        assert_eq!(told(&memory[start + 1..start + 1 + 3 * PAGE], |_| false), None);
    }
}
