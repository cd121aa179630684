use crate::body::Body;
use crate::view::RuntimeView;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Instances that were used and are fresh again, for who needs the next.
pub(crate) struct Idle<T: RuntimeView> {
    bodies: Mutex<Vec<Body<T>>>,
    most: usize,
    /// Whether any has been offered: who runs one program needs none.
    offered: AtomicBool,
}

impl<T: RuntimeView> Idle<T> {
    /// Keeps so many at most.
    pub(crate) fn new(most: usize) -> Self {
        Self { bodies: Mutex::default(), most, offered: AtomicBool::new(false) }
    }

    /// Whether it is worth the work to make one fresh.
    pub(crate) fn wants(&self) -> bool {
        self.most > 0 && self.offered.swap(true, Ordering::Relaxed) && self.len() < self.most
    }

    pub(crate) fn put(&self, body: Body<T>) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.len() < self.most {
            bodies.push(body);
        }
    }

    /// The one that was used last: most of it is still in the processor's caches.
    pub(crate) fn take(&self) -> Option<Body<T>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl<T: RuntimeView> fmt::Debug for Idle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("len", &self.len()).finish_non_exhaustive()
    }
}
