use crate::bindings::eryx::net::types::{Code, Failure};
use crate::error::failure;
use std::sync::{Arc, Mutex, PoisonError};

/// Where finished work leaves its result until the guest takes it.
#[derive(Debug)]
pub(crate) struct Slot<T>(Arc<Mutex<Option<Result<T, Failure>>>>);

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    pub(crate) fn put(&self, result: Result<T, Failure>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Option<Result<T, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The slots of one kind of operation, by number.
#[derive(Debug)]
pub(crate) struct Slots<T>(std::collections::HashMap<u32, Slot<T>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(std::collections::HashMap::new())
    }
}

impl<T> Slots<T> {
    pub(crate) fn add(&mut self, operation: u32, slot: Slot<T>) {
        self.0.insert(operation, slot);
    }

    /// The result of a finished operation; it can be taken once.
    pub(crate) fn take(&mut self, operation: u32) -> Result<T, Failure> {
        let slot = self.0.get(&operation);
        let slot = slot.ok_or_else(|| failure(Code::Closed, "there is no such operation"))?;
        let result = slot.take();
        let result = result.ok_or_else(|| failure(Code::Unfinished, "it is not finished yet"))?;
        self.0.remove(&operation);
        result
    }
}
