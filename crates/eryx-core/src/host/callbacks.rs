use super::Host;
use crate::CallbackError;
use crate::bindings::eryx::runtime::callbacks::{
    Attachment, Failure, FailureKind, Host as Callbacks, Progress, Reply,
};
use crate::callback::{self, Encoded};
use crate::view::RuntimeView;

impl<T: RuntimeView> Callbacks for Host<'_, T> {
    async fn start(
        &mut self,
        callback: u32,
        arguments: Vec<u8>,
        attachments: Vec<Attachment>,
    ) -> wasmtime::Result<Result<Progress, Failure>> {
        let attachments = attachments.into_iter().map(|one| (one.name, one.bytes.into())).collect();
        let progress = self.0.runtime().call(callback, &arguments, attachments).await;
        Ok(match progress {
            Ok(callback::Progress::Pending(operation)) => Ok(Progress::Pending(operation)),
            Ok(callback::Progress::Done(encoded)) => Ok(Progress::Done(reply(encoded))),
            Err(error) => Err(failure(&error)),
        })
    }

    async fn take(&mut self, operation: u32) -> wasmtime::Result<Result<Reply, Failure>> {
        let answer = self.0.runtime().take_call(operation).await;
        Ok(answer.map(reply).map_err(|error| failure(&error)))
    }
}

fn reply(encoded: Encoded) -> Reply {
    match encoded {
        Encoded::Json(json) => Reply::Json(json),
        Encoded::Bytes(bytes) => Reply::Bytes(bytes.into()),
    }
}

fn failure(error: &CallbackError) -> Failure {
    let kind = match error {
        CallbackError::Failed(_) => FailureKind::Failed,
        CallbackError::InvalidArguments(_) => FailureKind::InvalidArguments,
        CallbackError::InvalidReply(_) => FailureKind::InvalidReply,
        CallbackError::TimedOut(_) => FailureKind::TimedOut,
        CallbackError::Cancelled(_) => FailureKind::Cancelled,
        CallbackError::Panicked(_) => FailureKind::Panicked,
        CallbackError::Limit(_) => FailureKind::Limit,
    };
    Failure { kind, message: error.to_string() }
}
