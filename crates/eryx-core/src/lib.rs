//! Runs Python programs, each in a WebAssembly instance of its own.
//!
//! [`PythonExecutor`] is a loaded runtime. [`PythonExecutor::execute`] runs one
//! program in a fresh interpreter, within [`ResourceLimits`], and returns an
//! [`ExecutionOutput`] or an [`Error`] that says how the run ended.
//!
//! ```no_run
//! # async fn example() -> Result<(), eryx_core::Error> {
//! use eryx_core::{PythonExecutor, RuntimeSource};
//!
//! let runtime = RuntimeSource::from_file("target/runtime/runtime.wasm")?;
//! let executor: PythonExecutor = PythonExecutor::new(runtime)?;
//! let output = executor.execute("print('hello')").run().await?;
//! assert_eq!(output.stdout, "hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! The crate knows nothing of files or sockets. What a store holds besides
//! [`RuntimeCtx`] is the embedder's choice: see [`RuntimeView`].

mod artifact;
mod bindings;
mod budget;
mod cache;
mod engine;
mod enter;
mod error;
mod executor;
mod host;
mod limits;
mod memory;
mod output;
mod run;
mod source;
mod state;
mod text;
mod ticker;
mod view;

pub use artifact::CompileEvent;
pub use engine::PythonEngine;
pub use error::{Error, Frame, PythonException, Stopped};
pub use executor::{ExecutorBuilder, PythonExecutor};
pub use limits::{OutputPolicy, ResourceLimits};
pub use memory::MemoryTracker;
pub use output::{ExecutionOutput, PythonValue, Truncated};
pub use run::{ExecuteBuilder, RunOptions};
pub use source::RuntimeSource;
pub use state::MinimalState;
pub use text::OutputText;
pub use view::{RuntimeCtx, RuntimeView};
