use super::json::check;
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
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};
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

/// A call counts as under way until it has ended and its answer was fetched or
/// given up, whichever is last: so long it may hold memory of the host.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Arc<Self> {
        taken.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The calls of one run.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// How many places are taken.
    taken: Arc<AtomicUsize>,
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
    /// `None` before there is a task.
    answer: Option<oneshot::Receiver<(Answer, Duration)>>,
    call: u64,
    name: Arc<str>,
    place: Arc<Place>,
    started: Instant,
}

impl Pending {
    fn new(call: u64, name: &str, place: Arc<Place>) -> Self {
        Self { answer: None, call, name: name.into(), place, started: Instant::now() }
    }

    /// The answer, if it is there.
    fn poll(&mut self) -> Option<(Answer, Duration)> {
        self.answer.as_mut()?.try_recv().ok()
    }
}

/// What a call has come to, or the panic that ended it.
type Ended = Result<Result<CallbackReply, CallbackError>, Box<dyn Any + Send>>;

impl Calls {
    /// Starts to count for a run. Calls that an earlier run did not wait for go
    /// on.
    pub(crate) fn begin(&mut self, callbacks: Callbacks, limits: CallbackLimits, traced: bool) {
        self.traced = traced;
        self.callbacks = callbacks;
        self.limits = limits;
        self.made = 0;
    }

    /// Has the callbacks end that nothing else holds. Calls that are under way go on.
    pub(crate) fn rest(&mut self) {
        self.callbacks = Callbacks::default();
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
        let place = self.charge(operations).await?;
        let arguments = self.arguments(json, attachments)?;
        let call = async move { callback.invoke(arguments).await };
        let mut call = Box::pin(AssertUnwindSafe(call).catch_unwind());
        let pending = Pending::new(self.made, self.callbacks.name(number), place);
        self.log_start(&pending);
        if !self.in_order && is_alone() {
            // A task of its own would keep no other from waiting.
            if let Some(ended) = call.as_mut().now_or_never() {
                let answer = answer(ended, &pending.name, &self.limits);
                let duration = pending.started.elapsed();
                return self.ended(pending, (answer, duration)).map(Progress::Done);
            }
        }
        self.submit(operations, call, pending).await
    }

    /// Makes a call a task of its own.
    async fn submit(
        &mut self,
        operations: &mut Operations,
        call: impl Future<Output = Ended> + Send + 'static,
        mut pending: Pending,
    ) -> Result<Progress, CallbackError> {
        let (limits, name) = (self.limits.clone(), Arc::clone(&pending.name));
        let (sender, receiver) = oneshot::channel();
        pending.answer = Some(receiver);
        let (place, started) = (Arc::clone(&pending.place), pending.started);
        let work = async move {
            let answer = in_time(call, &name, &limits).await;
            drop(place);
            // The run may have given the call up.
            drop(sender.send((answer, started.elapsed())));
        };
        operations.make_room().await;
        let operation = match operations.submit(work) {
            Ok(operation) => operation,
            Err(error) => {
                let refused = Err(CallbackError::Limit(error.to_string()));
                return self.ended(pending, (refused, Duration::ZERO)).map(Progress::Done);
            }
        };
        // A runtime of one thread would tell itself of the time at which each call of many
        // is to go on, by a system call, if it had not looked at the first one's.
        if !self.in_order && (self.pending.is_empty() || !is_alone()) {
            tokio::task::yield_now().await;
            if let Some(ended) = pending.poll() {
                operations.cancel(operation);
                return self.ended(pending, ended).map(Progress::Done);
            }
        }
        self.pending.insert(operation, pending);
        Ok(Progress::Pending(operation))
    }

    /// What came of a finished call.
    pub(crate) fn take(&mut self, operations: &mut Operations, operation: u32) -> Answer {
        let Some(mut pending) = self.pending.remove(&operation) else {
            let message = format!("no call with the number {operation} waits for its answer");
            return Err(CallbackError::InvalidArguments(message));
        };
        let ended = pending.poll().unwrap_or_else(|| {
            operations.cancel(operation);
            let message = "the call was given up before it was answered";
            (Err(CallbackError::Cancelled(message.into())), Duration::ZERO)
        });
        self.ended(pending, ended)
    }

    fn ended(&mut self, pending: Pending, (answer, duration): (Answer, Duration)) -> Answer {
        if self.traced {
            let Pending { call, name, .. } = pending;
            // Where chance has no part, no time passes in a call.
            let duration = if self.in_order { Duration::ZERO } else { duration };
            let kind = TraceKind::CallbackEnd { call, duration, failed: answer.is_err() };
            self.log.push((kind, name.to_string()));
        }
        answer
    }

    fn log_start(&mut self, pending: &Pending) {
        if self.traced {
            let kind = TraceKind::CallbackStart { call: pending.call };
            self.log.push((kind, pending.name.to_string()));
        }
    }

    pub(crate) fn cancel(&mut self, operation: u32) {
        if let Some(pending) = self.pending.remove(&operation) {
            let duration = pending.started.elapsed();
            let given_up = Err(CallbackError::Cancelled(String::new()));
            drop(self.ended(pending, (given_up, duration)));
        }
    }

    async fn charge(&mut self, operations: &mut Operations) -> Result<Arc<Place>, CallbackError> {
        let (calls, in_flight) = (self.limits.calls, self.limits.most_in_flight());
        if self.made >= calls {
            return Err(CallbackError::Limit(format!(
                "the run has made {calls} calls, which is all it may"
            )));
        }
        let is_full = || self.taken.load(Ordering::Relaxed) >= in_flight;
        if is_full() && self.pending.len() < in_flight {
            // Some were given up and are about to end.
            operations.until(|| !is_full()).await;
        }
        if is_full() {
            return Err(CallbackError::Limit(format!(
                "{in_flight} calls are under way, which is all that may be at once"
            )));
        }
        self.made += 1;
        Ok(Place::take(&self.taken))
    }

    fn arguments(
        &self,
        json: &[u8],
        attachments: Vec<(String, Bytes)>,
    ) -> Result<CallbackArguments, CallbackError> {
        let invalid = |message: String| Err(CallbackError::InvalidArguments(message));
        let size = attachments.iter().fold(json.len(), |size, (name, bytes)| {
            size.saturating_add(name.len()).saturating_add(bytes.len())
        });
        let limit = self.limits.argument_bytes;
        if size > limit {
            return invalid(format!("the arguments have {size} bytes; {limit} may be"));
        }
        let values = self.limits.values;
        if attachments.len() > values {
            return invalid(format!("there are more than {values} values, the limit"));
        }
        check(json, self.limits.depth, values).map_err(CallbackError::InvalidArguments)?;
        match serde_json::from_slice::<Value>(json) {
            Ok(json @ Value::Object(_)) => Ok(CallbackArguments { json, bytes: attachments }),
            Ok(_) => invalid("the arguments are no object".into()),
            Err(error) => invalid(format!("the arguments are no JSON: {error}")),
        }
    }
}

/// Whether there is one thread for all tasks: then who blocks it blocks the run,
/// as a task or not.
fn is_alone() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

async fn in_time(call: impl Future<Output = Ended>, name: &str, limits: &CallbackLimits) -> Answer {
    let ended = match limits.timeout {
        None => call.await,
        Some(timeout) => tokio::time::timeout(timeout, call).await.map_err(|_| {
            CallbackError::TimedOut(format!("{name} took longer than {timeout:?}, its time limit"))
        })?,
    };
    answer(ended, name, limits)
}

fn answer(ended: Ended, name: &str, limits: &CallbackLimits) -> Answer {
    match ended {
        Ok(reply) => encode(reply?, name, limits),
        Err(panic) => {
            let text = panic_text(&*panic).escape_debug();
            tracing::error!(callback = name, "a callback panicked: {text}");
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
            check(&json, limits.depth, usize::MAX).map_err(CallbackError::InvalidReply)?;
            Ok(Encoded::Json(json))
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
