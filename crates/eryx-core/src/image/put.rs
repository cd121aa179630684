use super::{Image, PAGE, WASM_PAGE, all_memory, combine};
use crate::bindings::Sandbox;
use crate::enter::enter;
use crate::interpreter::{Interpreter, Memory};
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, SnapshotError};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Instant;
use wasmtime::Store;
use wasmtime::component::TypedFunc;

/// Makes a fresh interpreter what the image was captured of. With `entropy` it
/// has another chance than that.
pub(crate) async fn put<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    image: &Image,
    entropy: Option<&[u8]>,
    options: &RunOptions,
) -> Result<(), Error> {
    if image.runtime != interpreter.executor().runtime_id() {
        return Err(Error::Snapshot(SnapshotError::Runtime));
    }
    let limit = options.limits.memory_bytes;
    let too_large = SnapshotError::Memory { size: image.memory_bytes(), limit };
    if image.memory_bytes() > limit {
        return Err(Error::Snapshot(too_large));
    }
    let memory = interpreter.memory().map_err(Error::WasmEngine)?;
    let ended = enter(interpreter, options, Instant::now(), async |sandbox, store| {
        if !write(sandbox, store, &memory, image).await? {
            return Ok(false);
        }
        sandbox.eryx_runtime_image().call_resume(&mut *store, entropy).await?;
        Ok(true)
    })
    .await?;
    if settle(interpreter, options, ended)? { Ok(()) } else { Err(Error::Snapshot(too_large)) }
}

/// Writes all pages; false if there is not the memory for them.
async fn write<T: RuntimeView>(
    sandbox: &Sandbox,
    store: &mut Store<T>,
    memory: &TypedFunc<(), (Memory,)>,
    image: &Image,
) -> wasmtime::Result<bool> {
    let guest = sandbox.eryx_runtime_image();
    let fresh = all_memory(store, memory).await?;
    let (base, content) = {
        let fresh = fresh.as_le_slice(&*store);
        (fresh.len(), whole(image, fresh))
    };
    let pages = u32::try_from(base / WASM_PAGE)?.max(image.memory_pages);
    if !guest.call_grow(&mut *store, pages).await? {
        return Ok(false);
    }
    for run in runs(&image.pages) {
        let first = image.pages.get(run.start).copied().unwrap_or_default();
        let address = u32::try_from(u64::from(first) * PAGE as u64)?;
        let bytes = content.get(run.start * PAGE..run.end * PAGE).unwrap_or_default();
        guest.call_aim(&mut *store, address).await?;
        guest.call_write(&mut *store, bytes).await?;
    }
    Ok(true)
}

/// The image's pages as they shall be, made of the differences and of what a
/// fresh memory has there.
fn whole<'a>(image: &'a Image, fresh: &[u8]) -> Cow<'a, [u8]> {
    let known = image.pages.partition_point(|page| (*page as usize) < fresh.len() / PAGE);
    if known == 0 {
        return Cow::Borrowed(&image.content);
    }
    let mut content = image.content.clone();
    for (page, bytes) in image.pages.iter().take(known).zip(content.chunks_exact_mut(PAGE)) {
        let start = *page as usize * PAGE;
        combine(bytes, fresh.get(start..start + PAGE).unwrap_or_default());
    }
    Cow::Owned(content)
}

/// Positions of pages that follow one another.
fn runs(pages: &[u32]) -> impl Iterator<Item = Range<usize>> {
    pages.chunk_by(|one, next| one.checked_add(1) == Some(*next)).scan(0, |start, run| {
        let range = *start..*start + run.len();
        *start = range.end;
        Some(range)
    })
}
