use super::{Image, PAGE, WASM_PAGE, all_memory, combine, pagemap};
use crate::enter::enter;
use crate::interpreter::Interpreter;
use crate::lasting::settle;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, PythonExecutor, ResourceLimits};
use std::fmt;
use std::time::Instant;

/// The memory of a fresh interpreter.
pub(crate) struct Base(Vec<u8>);

impl Base {
    /// Starts an interpreter to look at; some 10 ms.
    pub(crate) async fn of<T: RuntimeView>(executor: &PythonExecutor<T>) -> Result<Self, Error> {
        let limits = ResourceLimits::default();
        let mut interpreter = Interpreter::start(executor, &limits, None, true).await?;
        let memory = interpreter.memory().map_err(Error::WasmEngine)?;
        let store = interpreter.store_mut();
        let list = all_memory(store, &memory).await.map_err(Error::WasmEngine)?;
        Ok(Self(list.as_le_slice(&*store).to_vec()))
    }

    /// What of it lies in this page. Beyond its end a fresh memory is zero.
    fn page(&self, number: usize) -> &[u8] {
        let start = number * PAGE;
        self.0.get(start..start + PAGE).unwrap_or_default()
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").finish_non_exhaustive()
    }
}

pub(crate) async fn capture<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Result<Image, Error> {
    let executor = interpreter.executor().clone();
    let runtime = executor.runtime_id();
    let base = executor.base().await?;
    let memory = interpreter.memory().map_err(Error::WasmEngine)?;
    let ended = enter(interpreter, options, Instant::now(), async |sandbox, store| {
        sandbox.eryx_runtime_image().call_prepare(&mut *store).await?;
        let list = all_memory(store, &memory).await?;
        Ok(difference(runtime, list.as_le_slice(&*store), base))
    })
    .await?;
    settle(interpreter, options, ended)
}

fn difference(runtime: [u8; 32], memory: &[u8], base: &Base) -> Image {
    let zeros = [0; PAGE];
    let mut pages = Vec::new();
    let mut content = Vec::new();
    for number in pagemap::written(memory) {
        let start = number * PAGE;
        let Some(page) = memory.get(start..start + PAGE) else { break };
        let fresh = base.page(number);
        if page == if fresh.is_empty() { &zeros } else { fresh } {
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
