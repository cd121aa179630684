use super::{Base, Image, PAGE, WASM_PAGE, combine, pagemap};
use crate::Error;
use crate::enter::enter;
use crate::interpreter::Interpreter;
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use std::time::Instant;

pub(crate) async fn capture<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Result<Image, Error> {
    let executor = interpreter.executor().clone();
    let runtime = executor.runtime_id();
    let base = executor.base().await?;
    let ended = enter(interpreter, options, Instant::now(), async |body| {
        body.sandbox.eryx_runtime_image().call_prepare(&mut body.store).await?;
        let list = body.memory().await?;
        Ok(difference(runtime, list.as_le_slice(&body.store), base))
    })
    .await?;
    settle(interpreter, options, ended)
}

fn difference(runtime: [u8; 32], memory: &[u8], base: &Base) -> Image {
    let mut pages = Vec::new();
    let mut content = Vec::new();
    for (number, page) in differing(memory, base) {
        let Ok(name) = u32::try_from(number) else { break };
        pages.push(name);
        let begin = content.len();
        content.extend_from_slice(page);
        combine(content.get_mut(begin..).unwrap_or_default(), base.page(number));
    }
    let memory_pages = u32::try_from(memory.len() / WASM_PAGE).unwrap_or(u32::MAX);
    Image { runtime, memory_pages, pages, content }
}

/// The pages that another instance needs in order to be as this one.
pub(super) fn differing<'a>(
    memory: &'a [u8],
    base: &Base,
) -> impl Iterator<Item = (usize, &'a [u8])> {
    let pages = pagemap::written(memory, |run| base.is_zero(run)).into_iter().flatten();
    pages.filter(|number| !base.stays(*number)).filter_map(|number| {
        let page = memory.get(number * PAGE..(number + 1) * PAGE)?;
        let fresh = base.page(number);
        (page != if fresh.is_empty() { &[0; PAGE] } else { fresh }).then_some((number, page))
    })
}
