use super::{Image, PAGE, Piece, WASM_PAGE, combine};
use crate::body::Body;
use crate::enter::enter;
use crate::interpreter::Interpreter;
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, SnapshotError};
use std::borrow::Cow;
use std::time::Instant;

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
    let ended = enter(interpreter, options, Instant::now(), async |body| {
        if !write(body, image).await? {
            return Ok(false);
        }
        body.sandbox.eryx_runtime_image().call_resume(&mut body.store, entropy).await?;
        Ok(true)
    })
    .await?;
    if settle(interpreter, options, ended)? { Ok(()) } else { Err(Error::Snapshot(too_large)) }
}

/// Writes all pages; false if there is not the memory for them.
async fn write<T: RuntimeView>(body: &mut Body<T>, image: &Image) -> wasmtime::Result<bool> {
    let fresh = body.memory().await?;
    let (base, content) = {
        let fresh = fresh.as_le_slice(&body.store);
        (fresh.len(), whole(image, fresh))
    };
    let pages = u32::try_from(base / WASM_PAGE)?.max(image.memory_pages);
    if !body.sandbox.eryx_runtime_image().call_grow(&mut body.store, pages).await? {
        return Ok(false);
    }
    body.write(&pieces(&image.pages, &content)?).await?;
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

/// Pages that follow one another are one piece.
fn pieces<'a>(pages: &[u32], content: &'a [u8]) -> wasmtime::Result<Vec<Piece<'a>>> {
    let mut content = content;
    let runs = pages.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let piece = |run: &[u32]| {
        let first = run.first().copied().unwrap_or_default();
        let (bytes, rest) = content.split_at_checked(run.len() * PAGE)?;
        content = rest;
        Some(Piece { address: u32::try_from(u64::from(first) * PAGE as u64).ok()?, bytes })
    };
    let pieces: Option<_> = runs.map(piece).collect();
    pieces.ok_or_else(|| wasmtime::Error::msg("the image has less content than pages"))
}
