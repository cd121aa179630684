//! Pages of memory before they are written to: many at once.
#![expect(unsafe_code, reason = "there is no safe name for this advice")]

use super::{PAGE, Piece};

/// Less than this is not worth a call of the system's.
const LEAST: usize = 16 * PAGE;

/// Has the kernel prepare the pages of `memory` where `pieces` will be written: a
/// fault for each of them costs two or three times as much. Whatever it does not do it
/// does when they are written to.
pub(super) fn prepare(memory: &[u8], pieces: &[Piece<'_>]) {
    for piece in pieces.iter().filter(|piece| piece.bytes.len() >= LEAST) {
        let Ok(start) = usize::try_from(piece.address) else { continue };
        if let Some(place) = memory.get(start..start + piece.bytes.len()) {
            advise(place);
        }
    }
}

#[cfg(target_os = "linux")]
fn advise(place: &[u8]) {
    use rustix::mm::{Advice, madvise};

    let address = place.as_ptr().cast_mut().cast();
    // SAFETY: this advice changes no content, and fails where nothing may be written.
    let _ = unsafe { madvise(address, place.len(), Advice::LinuxPopulateWrite) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: &[u8]) {}
