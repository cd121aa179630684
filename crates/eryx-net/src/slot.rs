use crate::bindings::eryx::net::types::{Code, Failure};
use crate::error::failure;
use std::collections::BTreeMap;
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
pub(crate) struct Slots<T>(BTreeMap<u32, Slot<T>>);

/// Slots kept: what nobody has taken by the time that there are more is dropped.
const MOST: usize = 1024;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Slots<T> {
    pub(crate) fn add(&mut self, operation: u32, slot: Slot<T>) {
        self.0.insert(operation, slot);
        while self.0.len() > MOST {
            self.0.pop_first();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_does_not_pile_up() {
        let mut slots = Slots::default();
        for number in 0..5000 {
            let slot = Slot::new();
            slot.put(Ok(number));
            slots.add(number, slot);
        }
        assert_eq!(slots.0.len(), MOST);
        assert_eq!(slots.take(0).unwrap_err().code, Code::Closed);
        assert_eq!(slots.take(4999).unwrap(), 4999);
    }
}
