use super::{Callback, CallbackArguments, CallbackError, CallbackFuture, CallbackReply};
use super::{Callbacks, HostCallbackInfo};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A call that someone else answers: see [`Callbacks::through`].
#[derive(Debug)]
#[non_exhaustive]
pub struct CallbackRequest {
    /// The callback's name.
    pub name: String,
    /// What it was called with.
    pub arguments: CallbackArguments,
    /// Where the answer goes. Dropping it is an answer too: the call was
    /// cancelled.
    pub reply: oneshot::Sender<Result<CallbackReply, CallbackError>>,
}

/// Hands calls on to a channel.
pub(super) struct Forwarded {
    info: HostCallbackInfo,
    requests: mpsc::Sender<CallbackRequest>,
}

impl Callbacks {
    /// The same callbacks, but their calls are sent to `requests` instead of
    /// being answered here: whoever holds the other end answers them. A full
    /// channel makes calls wait; a closed one cancels them.
    #[must_use]
    pub fn through(&self, requests: &mpsc::Sender<CallbackRequest>) -> Self {
        let forwarded = self.infos().iter().map(|info| {
            let callback = Forwarded { info: info.clone(), requests: requests.clone() };
            (info.clone(), Arc::new(callback) as Arc<dyn Callback>)
        });
        forwarded.collect()
    }
}

impl Callback for Forwarded {
    fn name(&self) -> &str {
        &self.info.name
    }

    fn description(&self) -> &str {
        &self.info.description
    }

    fn parameters_schema(&self) -> Value {
        serde_json::from_str(&self.info.parameters_schema_json).unwrap_or_default()
    }

    fn invoke(&self, arguments: CallbackArguments) -> CallbackFuture<'_> {
        let cancelled = || CallbackError::Cancelled("the host no longer answers calls".into());
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let request = CallbackRequest { name: self.info.name.clone(), arguments, reply };
            self.requests.send(request).await.map_err(|_| cancelled())?;
            answer.await.map_err(|_| cancelled())?
        })
    }
}
