//! Untrusted Python inside a Rust program: real CPython on WebAssembly.
//!
//! ```no_run
//! # async fn example() -> Result<(), eryx::Error> {
//! let sandbox = eryx::Sandbox::embedded().build()?;
//! let output = sandbox.execute("print(sum(range(10)))").await?;
//! assert_eq!(output.stdout, "45\n");
//! # Ok(())
//! # }
//! ```
//!
//! Each [`Sandbox::execute`] starts an interpreter of its own, which takes some
//! tens of microseconds and shares nothing with any other. Limits are on by
//! default: see [`ResourceLimits`].

mod builder;
mod files;
mod network;
#[cfg(feature = "packages")]
mod packages;
mod pool;
mod runtime;
mod sandbox;
mod session;
mod state;

pub use builder::SandboxBuilder;
#[doc(hidden)]
pub use eryx_core::__macros;
pub use eryx_core::{
    Bytes, CacheFault, Callback, CallbackArguments, CallbackError, CallbackFuture, CallbackLimits,
    CallbackReply, CallbackRequest, Callbacks, CancellationToken, ChainLink, ChainedException,
    CompileEvent, CompiledFault, DynamicCallback, Error, ExecuteBuilder, Execution,
    ExecutionOutput, ExecutorBuilder, Frame, HostCallbackInfo, Image, Interpreter, MAX_SOURCE_SIZE,
    MemoryTracker, MinimalState, Omission, OutputPolicy, OutputRequest, OutputStream, OutputText,
    Poison, PythonEngine, PythonException, PythonExecutor, PythonValue, ResourceLimits, RunOptions,
    RuntimeCtx, RuntimeSource, RuntimeView, Seed, SeededHost, SnapshotError, State, Stopped,
    TooManyOperations, TraceEvent, TraceKind, TraceOptions, TraceRequest, Truncated, TypedCallback,
    Undo, chrome_trace,
};
#[cfg(feature = "macros")]
pub use eryx_macros::callback;
#[cfg(feature = "net")]
pub use eryx_net::{
    AddressClass, Answer, Attempt, HostName, NameError, NetConfig, NetConfigError, NetCtx,
    NetLimits, NetRequest, NetRule, Network, Ports, Resolver, RuleError, Secret, SystemResolver,
};
#[cfg(feature = "vfs")]
pub use eryx_session::WithFiles;
pub use eryx_session::{
    CopyOptions, MAX_IMAGE_SIZE, MAX_SNAPSHOT_SIZE, PythonImageSnapshot, PythonStateSnapshot,
    SessionExecuteBuilder, SessionExecutor, SnapshotMetadata, SnapshotOptions,
};
#[cfg(feature = "vfs")]
pub use eryx_vfs::add_to_linker as add_files_to_linker;
#[cfg(feature = "vfs")]
pub use eryx_vfs::{
    ArcStorage, ConfigError, DirEntry, DirPerms, Exchanged, FileClock, FileKind, FilePerms,
    FsError, FsResult, HybridVfsCtx, InMemoryStorage, Metadata, MountTable, MountTableBuilder,
    NodeId, OneFile, RealDir, StorageError, StorageFiles, StorageLimits, StorageSnapshot,
    StorageUsage, VfsConfig, VfsCtxView, VfsStorage, VfsView, VolumeMount,
};
#[cfg(all(feature = "packages", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub use packages::fuzzing;
#[cfg(feature = "packages")]
pub use packages::{Package, PackageError};
pub use pool::{PoolOptions, PoolStatistics, PooledSession, SandboxPool};
pub use sandbox::Sandbox;
pub use session::{LockedSession, Session};
pub use state::SandboxState;

/// What most programs use.
pub mod prelude {
    pub use crate::{
        Callback, CallbackError, DynamicCallback, Error, ExecutionOutput, PythonValue,
        ResourceLimits, Sandbox, TypedCallback,
    };
}
