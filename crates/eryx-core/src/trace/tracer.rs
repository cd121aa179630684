use super::{TraceEvent, TraceKind, TraceOptions, TraceRequest};
use crate::clock::Clock;
use crate::stream::Outlet;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Bytes of names that a run's trace may hold. The guest makes them up.
const NAME_BYTES: usize = 4 << 20;

/// So many events may wait for the listener when the program is asked to end.
const MOST_EVENTS: usize = 16;

/// Tells and keeps what one run does.
#[derive(Debug)]
pub(crate) struct Tracer {
    options: TraceOptions,
    listener: Outlet<TraceRequest>,
    clock: Clock,
    kept: Vec<TraceEvent>,
    truncated: bool,
    /// Every name once: there are few, and many events.
    names: HashSet<Arc<str>>,
    name_bytes: usize,
}

impl Tracer {
    pub(crate) fn new(
        options: TraceOptions,
        listener: Option<mpsc::Sender<TraceRequest>>,
        clock: Clock,
    ) -> Self {
        Self {
            options,
            listener: Outlet::lossy(listener, MOST_EVENTS),
            clock,
            kept: Vec::new(),
            truncated: false,
            names: HashSet::new(),
            name_bytes: 0,
        }
    }

    /// Tells an event, waiting for the listener to have room, but no longer than until
    /// this time. A program that is to end tells of that, too: who does not read must
    /// not keep it from ending.
    pub(crate) async fn tell(
        &mut self,
        kind: TraceKind,
        filename: &str,
        line: u32,
        function: &str,
        detail: &str,
        until: Option<Instant>,
    ) {
        let event = TraceEvent {
            time: self.clock.elapsed(),
            kind,
            filename: self.name(filename),
            line,
            function: self.name(function),
            detail: self.name(detail),
        };
        if self.kept.len() < self.options.kept {
            self.kept.push(event.clone());
        } else {
            self.truncated = true;
        }
        self.listener.send(event, until).await;
    }

    /// The way to the listener.
    pub(crate) fn outlet(&mut self) -> &mut Outlet<TraceRequest> {
        &mut self.listener
    }

    /// What was kept, and whether anything was not.
    pub(crate) fn take(&mut self) -> (Vec<TraceEvent>, bool) {
        self.listener = Outlet::default();
        let lost = self.truncated && self.options.kept > 0;
        (std::mem::take(&mut self.kept), lost)
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        if self.name_bytes + name.len() > NAME_BYTES {
            return "…".into();
        }
        self.name_bytes += name.len();
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }
}
