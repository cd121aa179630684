//! Runs Python programs, each in a WebAssembly instance that is as new.
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
mod body;
mod budget;
mod cache;
mod callback;
mod chance;
mod clock;
mod compiled;
mod engine;
mod enter;
mod error;
mod execution;
mod executor;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is found is told by panicking"
)]
pub mod fuzzing;
mod host;
mod idle;
mod image;
mod instances;
mod interpreter;
mod judge;
mod lasting;
mod limits;
mod linked;
mod memory;
mod operations;
mod output;
mod program;
mod raised;
mod run;
mod seed;
mod snapshot;
mod source;
mod state;
mod stdlib;
mod stream;
mod text;
mod ticker;
mod trace;
mod view;

/// What the code that `#[callback]` writes needs.
#[doc(hidden)]
pub mod __macros {
    pub use schemars;
    pub use serde;
}

pub use artifact::CompileEvent;
pub use bytes::Bytes;
pub use cache::CacheFault;
pub use callback::{
    Callback, CallbackArguments, CallbackError, CallbackFuture, CallbackReply, CallbackRequest,
    Callbacks, DynamicCallback, HostCallbackInfo, TypedCallback,
};
pub use chance::SeededHost;
pub use compiled::CompiledFault;
pub use engine::PythonEngine;
pub use error::{ChainLink, ChainedException, Error, Frame, PythonException, Stopped};
pub use execution::Execution;
pub use executor::{ExecutorBuilder, PythonExecutor};
pub use image::Image;
pub use interpreter::{Interpreter, Poison, State};
pub use limits::{CallbackLimits, OutputPolicy, ResourceLimits};
pub use memory::MemoryTracker;
pub use operations::TooManyOperations;
pub use output::{ExecutionOutput, PythonValue, Truncated};
pub use program::MAX_SOURCE_SIZE;
pub use run::{ExecuteBuilder, RunOptions};
pub use seed::Seed;
pub use snapshot::{Omission, SnapshotError};
pub use source::RuntimeSource;
#[doc(hidden)]
pub use source::{PYTHON_VERSION, SITE_PACKAGES, STDLIB};
pub use state::MinimalState;
pub use stream::{OutputRequest, OutputStream};
pub use text::OutputText;
pub use tokio_util::sync::CancellationToken;
pub use trace::{TraceEvent, TraceKind, TraceOptions, TraceRequest, chrome_trace};
pub use view::{RuntimeCtx, RuntimeView, Undo};
