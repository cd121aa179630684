use super::{CallbackArguments, CallbackError, CallbackReply, Callbacks};
use crate::limits::CallbackLimits;
use crate::operations::Operations;
use crate::trace::TraceKind;
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::Value;
use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

type Answer = Result<Encoded, CallbackError>;

/// A reply as it crosses to the guest.
#[derive(Debug)]
pub(crate) enum Encoded {
    Json(Vec<u8>),
    Bytes(Bytes),
}

/// What a call has come to when it returns to the guest.
#[derive(Debug)]
pub(crate) enum Progress {
    Pending(u32),
    Done(Encoded),
}

/// The calls of one run.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    callbacks: Callbacks,
    limits: CallbackLimits,
    made: u64,
    pending: HashMap<u32, Pending>,
    /// Whether answers are told in the order of the calls, so that chance has no
    /// part in it.
    in_order: bool,
    traced: bool,
    log: Vec<(TraceKind, String)>,
}

/// A call whose answer the guest has not fetched.
#[derive(Debug)]
struct Pending {
    answer: oneshot::Receiver<(Answer, Duration)>,
    call: u64,
    name: String,
}

impl Calls {
    /// Starts to count for a run. Calls that an earlier run did not wait for go
    /// on.
    pub(crate) fn begin(&mut self, callbacks: Callbacks, limits: CallbackLimits, traced: bool) {
        self.traced = traced;
        self.callbacks = callbacks;
        self.limits = limits;
        self.made = 0;
    }

    pub(crate) fn set_in_order(&mut self, in_order: bool) {
        self.in_order = in_order;
    }

    /// What is to be traced since the last look.
    pub(crate) fn log(&mut self) -> Vec<(TraceKind, String)> {
        std::mem::take(&mut self.log)
    }

    /// How many calls the run has made.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// Checks a call and starts it. What is ready by the time that others had a
    /// turn is answered at once.
    pub(crate) async fn start(
        &mut self,
        operations: &mut Operations,
        number: u32,
        json: &[u8],
        attachments: Vec<(String, Bytes)>,
    ) -> Result<Progress, CallbackError> {
        let Some(callback) = self.callbacks.get(number).cloned() else {
            let message = format!("there is no callback with the number {number}");
            return Err(CallbackError::InvalidArguments(message));
        };
        self.charge()?;
        let arguments = self.arguments(json, attachments)?;
        let limits = self.limits.clone();
        let name = self.callbacks.name(number).to_owned();
        let (sender, answer) = oneshot::channel();
        let mut pending = Pending { answer, call: self.made, name: name.clone() };
        let work = async move {
            let start = Instant::now();
            let call = async { callback.invoke(arguments).await };
            let answer = answer_call(&limits, &name, call).await;
            // The run may have given the call up.
            drop(sender.send((answer, start.elapsed())));
        };
        let operation =
            operations.submit(work).map_err(|error| CallbackError::Limit(error.to_string()))?;
        if self.traced {
            let kind = TraceKind::CallbackStart { call: pending.call };
            self.log.push((kind, pending.name.clone()));
        }
        if !self.in_order {
            tokio::task::yield_now().await;
            if let Ok(ended) = pending.answer.try_recv() {
                operations.cancel(operation);
                return self.ended(pending, ended).map(Progress::Done);
            }
        }
        self.pending.insert(operation, pending);
        Ok(Progress::Pending(operation))
    }

    /// What came of a finished call.
    pub(crate) fn take(&mut self, operation: u32) -> Answer {
        let Some(mut pending) = self.pending.remove(&operation) else {
            let message = format!("no call with the number {operation} waits for its answer");
            return Err(CallbackError::InvalidArguments(message));
        };
        match pending.answer.try_recv() {
            Ok(ended) => self.ended(pending, ended),
            Err(_) => {
                Err(CallbackError::Cancelled("the call was given up before it was answered".into()))
            }
        }
    }

    fn ended(&mut self, pending: Pending, (answer, duration): (Answer, Duration)) -> Answer {
        if self.traced {
            let Pending { call, name, .. } = pending;
            self.log
                .push((TraceKind::CallbackEnd { call, duration, failed: answer.is_err() }, name));
        }
        answer
    }

    pub(crate) fn cancel(&mut self, operation: u32) {
        self.pending.remove(&operation);
    }

    fn charge(&mut self) -> Result<(), CallbackError> {
        let CallbackLimits { calls, in_flight, .. } = self.limits;
        if self.made >= calls {
            return Err(CallbackError::Limit(format!(
                "the run has made {calls} calls, which is all it may"
            )));
        }
        if self.pending.len() >= in_flight {
            return Err(CallbackError::Limit(format!(
                "{in_flight} calls are under way, which is all that may be at once"
            )));
        }
        self.made += 1;
        Ok(())
    }

    fn arguments(
        &self,
        json: &[u8],
        attachments: Vec<(String, Bytes)>,
    ) -> Result<CallbackArguments, CallbackError> {
        let invalid = |message: String| Err(CallbackError::InvalidArguments(message));
        let size = attachments.iter().fold(json.len(), |size, (_, bytes)| size + bytes.len());
        let limit = self.limits.argument_bytes;
        if size > limit {
            return invalid(format!("the arguments have {size} bytes; {limit} may be"));
        }
        check(json, self.limits.depth).map_err(CallbackError::InvalidArguments)?;
        match serde_json::from_slice::<Value>(json) {
            Ok(json @ Value::Object(_)) => Ok(CallbackArguments { json, bytes: attachments }),
            Ok(_) => invalid("the arguments are no object".into()),
            Err(error) => invalid(format!("the arguments are no JSON: {error}")),
        }
    }
}

async fn answer_call(
    limits: &CallbackLimits,
    name: &str,
    call: impl Future<Output = Result<CallbackReply, CallbackError>>,
) -> Answer {
    let call = AssertUnwindSafe(call).catch_unwind();
    let ended = match limits.timeout {
        None => call.await,
        Some(timeout) => tokio::time::timeout(timeout, call).await.map_err(|_| {
            CallbackError::TimedOut(format!("{name} took longer than {timeout:?}, its time limit"))
        })?,
    };
    match ended {
        Ok(reply) => encode(reply?, name, limits),
        Err(panic) => {
            tracing::error!(callback = name, "a callback panicked: {}", panic_text(&*panic));
            // The text of a panic is the host's own affair.
            Err(CallbackError::Panicked(format!("{name} failed inside the host")))
        }
    }
}

fn encode(reply: CallbackReply, name: &str, limits: &CallbackLimits) -> Answer {
    let limit = limits.reply_bytes;
    let too_large = |size: usize| {
        let message = format!("the reply of {name} has {size} bytes; {limit} may be");
        Err(CallbackError::InvalidReply(message))
    };
    match reply {
        CallbackReply::Bytes(bytes) if bytes.len() > limit => too_large(bytes.len()),
        CallbackReply::Bytes(bytes) => Ok(Encoded::Bytes(bytes)),
        CallbackReply::Json(value) => {
            let json = serde_json::to_vec(&value)
                .map_err(|error| CallbackError::InvalidReply(error.to_string()))?;
            if json.len() > limit {
                return too_large(json.len());
            }
            check(&json, limits.depth).map_err(CallbackError::InvalidReply)?;
            Ok(Encoded::Json(json))
        }
    }
}

/// Refuses JSON that is nested deeper than `limit`, before anything recurses
/// into it, and integers that would not arrive as they are.
fn check(json: &[u8], limit: usize) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut number = Vec::new();
    for &byte in json {
        let in_number = !in_text && matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        if in_number {
            number.push(byte);
        } else {
            check_number(&number)?;
            number.clear();
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return Err(format!("values are nested deeper than {limit} levels, the limit"));
        }
    }
    check_number(&number)
}

fn check_number(number: &[u8]) -> Result<(), String> {
    // Those of up to 18 digits fit. The letters are of floats, `true` and `false`.
    if number.len() <= 18 || number.iter().any(|byte| b".eE".contains(byte)) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(number);
    if text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok() {
        return Ok(());
    }
    Err("an integer is not between -2**63 and 2**64 - 1: pass it as text".into())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn counts_nesting_outside_of_texts() {
        assert!(check(br#"{"a[[[": ["\"[[[", []]}"#, 3).is_ok());
        assert!(check(b"[[[]]]", 2).is_err());
        assert!(check(b"]]]][", 1).is_ok());
    }

    #[test]
    fn integers_arrive_as_they_are_or_not_at_all() {
        assert!(check(b"[18446744073709551615, -9223372036854775808]", 1).is_ok());
        assert!(check(b"18446744073709551616", 1).is_err());
        assert!(check(b"[-9223372036854775809]", 1).is_err());
        assert!(check(br#"["18446744073709551616", 1.8446744073709551616e30]"#, 1).is_ok());
    }
}
