use super::{Base, Image, PAGE, PAGES_AT_ONCE, WASM_PAGE, combine, pagemap};
use crate::Error;
use crate::enter::enter;
use crate::interpreter::Interpreter;
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;

pub(crate) async fn capture<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Result<Image, Error> {
    let executor = interpreter.executor().clone();
    let runtime = executor.runtime_id();
    let base = executor.base().await?;
    let ended = enter(interpreter, options, async |body| {
        body.sandbox.eryx_runtime_image().call_prepare(&mut body.store).await?;
        let list = body.memory().await?;
        Ok(difference(runtime, list.as_le_slice(&body.store), base).await)
    })
    .await?;
    let mut image = settle(interpreter, options, ended).await?;
    image.host = interpreter.body()?.runtime().standing();
    Ok(image)
}

async fn difference(runtime: [u8; 32], memory: &[u8], base: &Base) -> Image {
    let differing = differing(memory, base).await;
    let mut content = Vec::with_capacity(differing.len() * PAGE);
    for (count, number) in differing.iter().enumerate() {
        let_others(count).await;
        let begin = content.len();
        content.extend_from_slice(page_of(memory, *number));
        combine(content.get_mut(begin..).unwrap_or_default(), base.page(*number));
    }
    let memory_pages = u32::try_from(memory.len() / WASM_PAGE).unwrap_or(u32::MAX);
    let pages = differing.into_iter().filter_map(|number| u32::try_from(number).ok()).collect();
    Image { runtime, memory_pages, pages, content, host: None }
}

/// The numbers of the pages that another instance needs in order to be as this one.
pub(super) async fn differing(memory: &[u8], base: &Base) -> Vec<usize> {
    let mut differing = Vec::new();
    let written = pagemap::written(memory, |run| base.is_zero(run));
    for (count, number) in written.into_iter().flatten().enumerate() {
        let_others(count).await;
        let fresh = base.page(number);
        let fresh = if fresh.is_empty() { &[0; PAGE] } else { fresh };
        if !base.stays(number) && page_of(memory, number) != fresh {
            differing.push(number);
        }
    }
    differing
}

/// Lets others have their turn when so many pages more have been looked at.
async fn let_others(count: usize) {
    if count % PAGES_AT_ONCE == PAGES_AT_ONCE - 1 {
        tokio::task::yield_now().await;
    }
}

fn page_of(memory: &[u8], number: usize) -> &[u8] {
    memory.get(number * PAGE..(number + 1) * PAGE).unwrap_or_default()
}
