//! Pages of memory after they were read: as if nobody had.
#![expect(unsafe_code, reason = "there is no safe name for this advice")]

use super::{PAGE, pagemap};

/// Has the kernel forget that these pages are there, other than those that were written
/// to. Else it would look at each of them whenever it is asked which were written: in a
/// memory that was read as a whole that takes longer than most programs.
pub(super) fn forget(memory: &[u8]) {
    let Some(written) = pagemap::told(memory, |_| false) else { return };
    let mut start = 0;
    for run in written {
        advise(memory.get(start * PAGE..run.start * PAGE));
        start = run.end;
    }
    advise(memory.get(start * PAGE..memory.len() / PAGE * PAGE));
}

#[cfg(target_os = "linux")]
fn advise(pages: Option<&[u8]>) {
    use rustix::mm::{Advice, madvise};

    let Some(pages) = pages.filter(|pages| !pages.is_empty()) else { return };
    let address = pages.as_ptr().cast_mut().cast();
    // SAFETY: pages that were not written to are what is mapped there, a file or zeros,
    // and are that again when they are next read. None is written to meanwhile: they are
    // borrowed.
    let _ = unsafe { madvise(address, pages.len(), Advice::LinuxDontNeed) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: Option<&[u8]>) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays() {
        let mut memory = vec![0_u8; 101 * PAGE];
        let start = memory.as_ptr().addr().next_multiple_of(PAGE) - memory.as_ptr().addr();
        for page in [0, 1, 7, 40, 98, 99] {
            memory[start + page * PAGE + 5] = 1;
        }
        let before = memory.clone();
        forget(&memory[start..start + 100 * PAGE]);
        assert!(memory == before);
    }
}
