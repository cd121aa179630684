//! What the kernel is told about pages of memory: before many are written to, and after
//! many were read.
#![expect(unsafe_code, reason = "there is no safe name for advice")]

use super::{PAGE, Piece, pagemap};
use std::iter;

/// Less than this is not worth a call of the system's.
const LEAST: usize = 16 * PAGE;

/// From here on the kernel's large pages fit in: 10 MB in 3.3 ms instead of 5.6.
const HUGE: usize = 2 << 20;

/// Has the kernel prepare the pages of `memory` where `pieces` will be written: a
/// fault for each of them costs two or three times as much. Whatever it does not do it
/// does when they are written to.
pub(super) fn prepare(memory: &[u8], pieces: &[Piece<'_>]) {
    for piece in pieces.iter().filter(|piece| piece.bytes.len() >= LEAST) {
        let Ok(start) = usize::try_from(piece.address) else { continue };
        if let Some(place) = memory.get(start..start + piece.bytes.len()) {
            // SAFETY: neither changes any content, and the second fails where nothing may
            // be written.
            unsafe {
                if place.len() >= HUGE {
                    advise(place, Advice::Hugepage);
                }
                advise(place, Advice::PopulateWrite);
            }
        }
    }
}

/// Has the kernel map all of `memory`, to be read: a fault for each page costs three times
/// as much.
pub(super) fn fetch(memory: &[u8]) {
    // SAFETY: this advice changes no content.
    unsafe { advise(memory, Advice::PopulateRead) };
}

/// Has the kernel forget that these pages are there, other than those that were written
/// to. Else it would look at each of them whenever it is asked which were written: in a
/// memory that was read as a whole that takes longer than most programs.
pub(super) fn forget(memory: &[u8]) {
    let Some(written) = pagemap::told(memory, |_| true) else { return };
    let (mut start, end) = (0, memory.len() / PAGE);
    for run in written.into_iter().chain(iter::once(end..end)) {
        if let Some(unwritten) = memory.get(start * PAGE..run.start * PAGE) {
            // SAFETY: pages that were not written to are what is mapped there, a file or
            // zeros, and are that again when they are next read. None is written to
            // meanwhile: they are borrowed.
            unsafe { advise(unwritten, Advice::DontNeed) };
        }
        start = run.end;
    }
}

/// Has the kernel take all of `memory` back: what is mapped there, a file or zeros, is what
/// is in it then.
///
/// # Safety
/// Nobody may need what was written to it, or look at it meanwhile.
pub(super) unsafe fn give_back(memory: *const [u8]) {
    // SAFETY: the caller knows.
    unsafe { advise(memory, Advice::DontNeed) };
}

/// By the names that `madvise` has for it.
#[derive(Clone, Copy)]
enum Advice {
    Hugepage,
    PopulateRead,
    PopulateWrite,
    DontNeed,
}

/// # Safety
/// After `DontNeed` what was written to these pages is lost.
#[cfg(target_os = "linux")]
unsafe fn advise(pages: *const [u8], advice: Advice) {
    use rustix::mm;
    use std::ffi::c_void;

    if pages.is_empty() {
        return;
    }
    let advice = match advice {
        Advice::Hugepage => mm::Advice::LinuxHugepage,
        Advice::PopulateRead => mm::Advice::LinuxPopulateRead,
        Advice::PopulateWrite => mm::Advice::LinuxPopulateWrite,
        Advice::DontNeed => mm::Advice::LinuxDontNeed,
    };
    let address = pages.cast::<c_void>().cast_mut();
    // SAFETY: the caller knows what becomes of the content. What is not done costs time
    // only.
    let _ = unsafe { mm::madvise(address, pages.len(), advice) };
}

#[cfg(not(target_os = "linux"))]
unsafe fn advise(_: *const [u8], _: Advice) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_and_no_more() {
        let mut memory = vec![0_u8; 101 * PAGE];
        let start = memory.as_ptr().addr().next_multiple_of(PAGE) - memory.as_ptr().addr();
        for page in [0, 1, 7, 40, 98, 99] {
            memory[start + page * PAGE + 5] = 1;
        }
        let before = memory.clone();
        let pages = start..start + 100 * PAGE;
        forget(&memory[pages.clone()]);
        if let Some(present) = pagemap::told(&memory[pages], |_| false) {
            assert_eq!(present, [0..2, 7..8, 40..41, 98..100]);
        }
        assert!(memory == before);
    }
}
