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
    /// Whether any was asked for that lasts.
    lasting: AtomicBool,
}

impl<T: RuntimeView> Idle<T> {
    /// Keeps so many at most.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            bodies: Mutex::default(),
            most,
            offered: AtomicBool::new(false),
            lasting: AtomicBool::new(false),
        }
    }

    /// Whether it is worth the work to make one fresh, which is less once there is one to
    /// compare with.
    pub(crate) fn wants(&self, has_base: bool) -> bool {
        let is_second = self.offered.swap(true, Ordering::Relaxed);
        (is_second || has_base) && !self.is_full()
    }

    /// Whether nobody has asked so before.
    pub(crate) fn is_first_to_last(&self) -> bool {
        !self.lasting.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    pub(crate) fn put(&self, body: Body<T>) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.len() < self.most {
            bodies.push(body);
        }
    }

    /// The one that was used last, as most of it is still in the processor's caches. Who
    /// runs one program leaves those that have done what sessions do, in which more has to
    /// be made fresh again, as long as there is room for its own.
    pub(crate) fn take(&self, lasting: bool) -> Option<Body<T>> {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        match bodies.iter().rposition(|body| body.is_rehearsed == lasting) {
            Some(index) => Some(bodies.remove(index)),
            None if lasting || bodies.len() >= self.most => bodies.pop(),
            None => None,
        }
    }

    /// One of either kind.
    pub(crate) fn take_any(&self) -> Option<Body<T>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// How many wait for interpreters that last, or for one program.
    pub(crate) fn count(&self, lasting: bool) -> usize {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.iter().filter(|body| body.is_rehearsed == lasting).count()
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
