use super::capture::differing;
use super::put::go_on;
use super::{PAGE, Piece, WASM_PAGE};
use crate::enter::enter;
use crate::interpreter::Interpreter;
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, SnapshotError};

/// Makes a fresh interpreter what another is, from memory to memory. With `entropy`
/// it has another chance than that.
pub(crate) async fn fork<T: RuntimeView>(
    original: &mut Interpreter<T>,
    copy: &mut Interpreter<T>,
    entropy: Option<&[u8]>,
    options: &RunOptions,
) -> Result<(), Error> {
    let executor = original.executor().clone();
    if executor.runtime_id() != copy.executor().runtime_id() {
        return Err(Error::Snapshot(SnapshotError::Runtime));
    }
    let base = executor.base().await?;
    let ended = enter(original, options, async |body| {
        body.sandbox.eryx_runtime_image().call_prepare(&mut body.store).await?;
        body.memory().await
    })
    .await?;
    let list = settle(original, options, ended).await?;
    let memory = list.as_le_slice(&original.body()?.store);
    let limit = options.limits.memory_bytes;
    let size = u64::try_from(memory.len()).unwrap_or(u64::MAX);
    let too_large = SnapshotError::Memory { size, limit };
    if size > limit {
        return Err(Error::Snapshot(too_large));
    }
    let differing = differing(memory, base).await;
    let pieces = differing.chunk_by(|one, next| one + 1 == *next).map(|run| {
        let address = run.first()? * PAGE;
        let bytes = memory.get(address..address + run.len() * PAGE)?;
        Some(Piece { address: u32::try_from(address).ok()?, bytes })
    });
    let pieces: Option<Vec<_>> = pieces.collect();
    let pieces = pieces.ok_or(Error::Snapshot(SnapshotError::Damaged))?;
    let memory_pages = u32::try_from(memory.len() / WASM_PAGE).unwrap_or(u32::MAX);
    if go_on(copy, memory_pages, &pieces, entropy, options).await? {
        Ok(())
    } else {
        Err(Error::Snapshot(too_large))
    }
}
