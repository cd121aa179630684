use super::{Base, PAGE, pagemap};
use crate::body::Body;
use crate::view::RuntimeView;
use std::ops::Range;

/// With more pages written than this (1 MiB) a new instance is cheaper.
const MOST_PAGES: usize = 256;

/// The kernel tells of a page that was ever written to: what one program has
/// touched is written over after each that follows. With more pages than this for
/// nothing, a new instance soon pays.
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
/// What has to be written is by the word of the kernel alone. Where an interpreter
/// `lasted`, the next may, too: what sessions need is mapped then.
pub(crate) async fn recycle<T: RuntimeView>(body: &mut Body<T>, base: &Base, lasted: bool) -> bool {
    let Ok(list) = body.memory().await else { return false };
    let memory = list.as_le_slice(&body.store);
    if memory.len() != base.size() {
        return false;
    }
    let Some(written) = pagemap::told(memory, |run| base.is_zero(run)) else { return false };
    let count: usize = written.iter().map(ExactSizeIterator::len).sum();
    if count > MOST_PAGES || body.is_due() && unchanged(memory, &written, base) > MOST_FOR_NOTHING {
        return false;
    }
    let Some(pieces) = base.pieces(&written) else { return false };
    if lasted && !body.is_fetched {
        base.fetch(memory);
        body.is_fetched = true;
    }
    body.write(&pieces).await.is_ok()
}

fn unchanged(memory: &[u8], written: &[Range<usize>], base: &Base) -> usize {
    let is_same =
        |page: &usize| memory.get(page * PAGE..(page + 1) * PAGE) == Some(base.page(*page));
    written.iter().cloned().flatten().filter(is_same).count()
}
