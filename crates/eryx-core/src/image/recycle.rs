#![expect(unsafe_code, reason = "what an instance that is dropped had written to goes")]

use super::{Base, PAGE, advice, pagemap};
use crate::body::Body;
use crate::view::RuntimeView;
use std::ops::Range;
use std::ptr;

/// With more pages written than this (1 MiB) a new instance is cheaper.
const MOST_PAGES: usize = 256;

/// The kernel tells of a page that was ever written to: what one program has
/// touched is written over after each that follows. With more pages than this for
/// nothing, a new instance soon pays: one where the kernel tells of no page, since the next
/// will be in the same place.
const MOST_FOR_NOTHING: usize = 64;

/// Makes an instance, in which no call is under way, as it was when it was new;
/// false if it is not known to be.
///
/// All that a program can change of an instance is its memory: the module has no
/// other state that lasts from call to call, which the build makes sure of, and
/// the WASI adapter's has been settled by `begin`. Handles that the program left
/// open stay in wasmtime's table, but what they stood for is gone with the store's
/// data; `Body::wear` counts them.
///
/// What has to be written is by the word of the kernel alone.
pub(crate) async fn recycle<T: RuntimeView>(body: &mut Body<T>, base: &Base) -> bool {
    let Ok(list) = body.memory().await else { return false };
    let memory = list.as_le_slice(&body.store);
    if memory.len() != base.size() {
        return false;
    }
    let Some(written) = pagemap::told(memory, |run| base.is_zero(run)) else { return false };
    let count: usize = written.iter().map(ExactSizeIterator::len).sum();
    if count > MOST_PAGES {
        return false;
    }
    if body.is_due() && unchanged(memory, &written, base) > MOST_FOR_NOTHING {
        let memory = ptr::from_ref(memory);
        // SAFETY: it is the whole of the memory of an instance that is borrowed alone, and
        // dropped now.
        unsafe { advice::give_back(memory) };
        return false;
    }
    let Some(pieces) = base.pieces(&written) else { return false };
    body.write(&pieces).await.is_ok()
}

/// Has a fresh instance do once what sessions do, and makes it fresh again: what they need
/// is mapped then, and the first to save or restore variables there waits for none of it.
pub(crate) async fn rehearse<T: RuntimeView>(body: &mut Body<T>, base: &Base) -> bool {
    if body.is_rehearsed {
        return true;
    }
    body.is_rehearsed = true;
    save_and_restore(body).await.is_ok() && recycle(body, base).await
}

/// As a session does, without variables.
async fn save_and_restore<T: RuntimeView>(body: &mut Body<T>) -> wasmtime::Result<()> {
    let state = body.sandbox.eryx_runtime_state();
    if let Ok(saved) = state.call_save(&mut body.store, u64::MAX, false, false).await? {
        // If the guest refuses, nothing is lost.
        let _ = state.call_restore(&mut body.store, &saved.bytes).await?;
    }
    Ok(())
}

fn unchanged(memory: &[u8], written: &[Range<usize>], base: &Base) -> usize {
    let is_same =
        |page: &usize| memory.get(page * PAGE..(page + 1) * PAGE) == Some(base.page(*page));
    written.iter().cloned().flatten().filter(is_same).count()
}
