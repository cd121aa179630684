use super::{Base, Piece, pagemap};
use crate::body::Body;
use crate::view::RuntimeView;

/// With more pages written than this (2 MiB) a new instance is cheaper.
const MOST_PAGES: usize = 512;

/// Makes an instance, in which no call is under way, as it was when it was new;
/// false if it is not known to be.
///
/// All that a program can change of an instance is its memory: the module has no
/// other state that lasts from call to call, which the build makes sure of, and
/// the WASI adapter's has been settled by `begin`. Handles that the program left
/// open stay in wasmtime's table, but what they stood for is gone with the store's
/// data; they are why an instance is not used for ever.
pub(crate) async fn recycle<T: RuntimeView>(body: &mut Body<T>, base: &Base) -> bool {
    let Ok(list) = body.memory().await else { return false };
    let Some(pieces) = changed(list.as_le_slice(&body.store), base) else { return false };
    body.write(&pieces).await.is_ok()
}

/// What has to be written, by the word of the kernel alone.
fn changed<'a>(memory: &[u8], base: &'a Base) -> Option<Vec<Piece<'a>>> {
    if memory.len() != base.size() {
        return None;
    }
    let written = pagemap::told(memory)?;
    let count: usize = written.iter().map(ExactSizeIterator::len).sum();
    if count > MOST_PAGES {
        return None;
    }
    base.pieces(&written)
}
