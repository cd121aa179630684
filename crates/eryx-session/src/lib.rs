//! Live Python sessions: variables, functions, classes, imports and asyncio tasks
//! last from run to run, and can be saved.
//!
//! ```no_run
//! # async fn example(executor: eryx_core::PythonExecutor) -> Result<(), eryx_core::Error> {
//! use eryx_core::Callbacks;
//! use eryx_session::SessionExecutor;
//!
//! let mut session = SessionExecutor::new(executor, &Callbacks::default()).await?;
//! session.execute("x = 20").run().await?;
//! let output = session.execute("x + 1").run().await?;
//! assert_eq!(output.result.unwrap().as_str(), "21");
//! let snapshot = session.snapshot_state().await?;
//! session.execute("x = None").run().await?;
//! session.restore_state(&snapshot).await?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod copying;
mod envelope;
#[cfg(feature = "vfs")]
mod files;
mod image;
mod metadata;
#[cfg(feature = "net")]
mod network;
mod running;
mod saving;
mod session;
mod snapshot;
mod undoing;

pub use builder::SessionExecuteBuilder;
pub use copying::CopyOptions;
#[cfg(feature = "vfs")]
pub use files::WithFiles;
pub use image::{MAX_IMAGE_SIZE, PythonImageSnapshot};
pub use metadata::SnapshotMetadata;
pub use session::SessionExecutor;
pub use snapshot::{MAX_SNAPSHOT_SIZE, PythonStateSnapshot, SnapshotOptions};
