use super::{Base, pagemap};
use crate::body::Body;
use crate::view::RuntimeView;

/// Makes an instance, in which no call is under way, as it was when it was new;
/// false if it is not known to be.
///
/// All that a program can change of an instance is its memory: the module has no
/// other state that lasts from call to call, which the build makes sure of, and
/// the WASI adapter's has been settled by `begin`. Handles that the program left
/// open stay in wasmtime's table, but what they stood for is gone with the store's
/// data; they are why an instance is not used for ever.
///
/// What has to be written is by the word of the kernel alone.
pub(crate) async fn recycle<T: RuntimeView>(body: &mut Body<T>, base: &Base) -> bool {
    let Ok(list) = body.memory().await else { return false };
    let memory = list.as_le_slice(&body.store);
    if memory.len() != base.size() {
        return false;
    }
    let Some(written) = pagemap::told(memory) else { return false };
    let Some(pieces) = base.pieces(&written) else { return false };
    body.wear(written.iter().map(ExactSizeIterator::len).sum()) && body.write(&pieces).await.is_ok()
}
