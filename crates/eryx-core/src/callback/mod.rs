//! Functions of the host that Python can call.

mod arguments;
mod calls;
mod dynamic;
mod finite;
mod json;
mod names;
mod request;
mod set;
mod typed;

pub(crate) use calls::{Calls, Encoded, Progress};
pub use dynamic::DynamicCallback;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use json::check;
pub use request::CallbackRequest;
pub use set::{Callbacks, HostCallbackInfo};
pub use typed::TypedCallback;

use bytes::Bytes;
use serde_json::Value;
use std::pin::Pin;

/// What a callback's call is while it goes on.
pub type CallbackFuture<'a> =
    Pin<Box<dyn Future<Output = Result<CallbackReply, CallbackError>> + Send + 'a>>;

/// A function of the host that Python calls as an async function.
///
/// Most callbacks are easier written as a [`TypedCallback`], a
/// [`DynamicCallback`], or with `#[callback]`.
///
/// A call runs as a task of its own. It is dropped when the run ends or its time
/// is over. If it panics, Python sees an exception.
pub trait Callback: Send + Sync + 'static {
    /// The name in Python: an identifier, or several with dots between them,
    /// which become namespaces: `db.users.find`. The first must not be built into
    /// Python, as `open` and `print` are: the library needs those itself.
    fn name(&self) -> &str;

    /// What `help()` shows. Empty.
    #[expect(clippy::unnecessary_literal_bound, reason = "others return what they own")]
    fn description(&self) -> &str {
        ""
    }

    /// A JSON Schema of an object, whose properties are the parameters in their
    /// order; those not `required` may be left out. No parameters.
    fn parameters_schema(&self) -> Value {
        serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false })
    }

    /// Answers a call.
    fn invoke(&self, arguments: CallbackArguments) -> CallbackFuture<'_>;
}

/// What Python called a callback with.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallbackArguments {
    /// An object: the arguments by parameter name. Integers are exact from
    /// -2⁶³ to 2⁶⁴-1, floats to the last bit. Tuples are arrays, as lists are. What
    /// JSON cannot hold (a dict whose keys are no `str`, infinity, a set) is a
    /// `TypeError` in Python, and there is no call.
    pub json: Value,
    /// The arguments that are `bytes`. They do not appear in `json`.
    pub bytes: Vec<(String, Bytes)>,
}

impl CallbackArguments {
    /// Arguments without `bytes` among them.
    pub fn from_json(json: Value) -> Self {
        Self { json, bytes: Vec::new() }
    }
}

/// What a callback answers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallbackReply {
    /// In Python the value as `json.loads` makes it.
    Json(Value),
    /// In Python `bytes`.
    Bytes(Bytes),
}

impl From<Value> for CallbackReply {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<Bytes> for CallbackReply {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for CallbackReply {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Why a call failed. In Python it is raised as `eryx.CallbackError` or one of
/// its subclasses; the message is the program's to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// The callback could not do what it was asked.
    #[error("{0}")]
    Failed(String),
    /// The arguments are not what the callback takes.
    #[error("{0}")]
    InvalidArguments(String),
    /// What the callback answered cannot be told to Python.
    #[error("{0}")]
    InvalidReply(String),
    /// The callback took longer than a call may.
    #[error("{0}")]
    TimedOut(String),
    /// The callback was withdrawn by the host.
    #[error("{0}")]
    Cancelled(String),
    /// The callback panicked.
    #[error("{0}")]
    Panicked(String),
    /// The run has used up what it may call.
    #[error("{0}")]
    Limit(String),
}

impl CallbackError {
    /// The callback could not do what it was asked: `error` says why.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<String> for CallbackError {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<&str> for CallbackError {
    fn from(message: &str) -> Self {
        Self::Failed(message.to_owned())
    }
}

impl From<std::io::Error> for CallbackError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for CallbackError {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::failed(error)
    }
}
