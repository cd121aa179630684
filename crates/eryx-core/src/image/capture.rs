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
    let zeros = [0; PAGE];
    let mut pages = Vec::new();
    let mut content = Vec::new();
    for number in pagemap::written(memory).into_iter().flatten() {
        let start = number * PAGE;
        let Some(page) = memory.get(start..start + PAGE) else { break };
        let fresh = base.page(number);
        if base.stays(number) || page == if fresh.is_empty() { &zeros } else { fresh } {
            continue;
        }
        let Ok(number) = u32::try_from(number) else { break };
        pages.push(number);
        let begin = content.len();
        content.extend_from_slice(page);
        combine(content.get_mut(begin..).unwrap_or_default(), fresh);
    }
    let memory_pages = u32::try_from(memory.len() / WASM_PAGE).unwrap_or(u32::MAX);
    Image { runtime, memory_pages, pages, content }
}
