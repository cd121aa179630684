use super::piece::batches;
use super::{Base, Image, PAGE, Piece, advice, combine};
use crate::enter::enter;
use crate::interpreter::Interpreter;
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, SnapshotError};

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
    let executor = interpreter.executor().clone();
    let base = executor.base().await?;
    let (known, whole) = whole(image, base);
    let mut pieces = pieces(image.pages.get(..known).unwrap_or_default(), &whole)?;
    let beyond = image.content.get(known * PAGE..).unwrap_or_default();
    pieces.append(&mut self::pieces(image.pages.get(known..).unwrap_or_default(), beyond)?);
    if go_on(interpreter, image.memory_pages, &pieces, entropy, options).await? {
        Ok(())
    } else {
        Err(Error::Snapshot(too_large))
    }
}

/// Puts pieces into a fresh interpreter and lets it go on from there; false if
/// there is not the memory for them.
pub(super) async fn go_on<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    memory_pages: u32,
    pieces: &[Piece<'_>],
    entropy: Option<&[u8]>,
    options: &RunOptions,
) -> Result<bool, Error> {
    let ended = enter(interpreter, options, async |body| {
        if !body.sandbox.eryx_runtime_image().call_grow(&mut body.store, memory_pages).await? {
            return Ok(false);
        }
        for batch in batches(pieces) {
            let list = body.memory().await?;
            advice::prepare(list.as_le_slice(&body.store), &batch);
            body.write(&batch).await?;
            tokio::task::yield_now().await;
        }
        body.sandbox.eryx_runtime_image().call_resume(&mut body.store, entropy).await?;
        Ok(true)
    })
    .await?;
    settle(interpreter, options, ended).await
}

/// How many of the image's pages are there in a fresh memory, and those as they
/// shall be: made of the differences and of what a fresh memory has there.
fn whole(image: &Image, base: &Base) -> (usize, Vec<u8>) {
    let known = image.pages.partition_point(|page| (*page as usize) < base.size() / PAGE);
    let mut content = image.content.get(..known * PAGE).unwrap_or_default().to_vec();
    for (page, bytes) in image.pages.iter().zip(content.chunks_exact_mut(PAGE)) {
        combine(bytes, base.page(*page as usize));
    }
    (known, content)
}

/// Pages that follow one another are one piece.
fn pieces<'a>(pages: &[u32], content: &'a [u8]) -> Result<Vec<Piece<'a>>, Error> {
    let mut content = content;
    let runs = pages.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let piece = |run: &[u32]| {
        let first = run.first().copied().unwrap_or_default();
        let (bytes, rest) = content.split_at_checked(run.len() * PAGE)?;
        content = rest;
        Some(Piece { address: u32::try_from(u64::from(first) * PAGE as u64).ok()?, bytes })
    };
    let pieces: Option<_> = runs.map(piece).collect();
    pieces.ok_or(Error::Snapshot(SnapshotError::Damaged))
}
