//! Record locks: which program may read or write which bytes of a file.
//!
//! WASI has no word for them. They come as an `advise` that nothing else would
//! send (see [`Request::of`]): so a lock is asked for with the handle of the very
//! file, a guest can lock nothing but what it has open, and an implementation of
//! `wasi:filesystem` that knows of no locks takes them for advice.

use crate::real::Identity;
use crate::storage::NodeId;
use crate::{FsError, FsResult};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What a file is, whichever way it is reached. The storage is an address: whoever
/// holds a lock holds the file open, and with it the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lockable {
    Memory { storage: usize, node: NodeId },
    Real(Identity),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) action: Action,
    pub(crate) bytes: Range<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Unlock,
    Lock(Access),
    /// Only whether it could be locked.
    Test(Access),
}

/// Readers share bytes, a writer has them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

const REQUEST: u64 = 1 << 63;
const ACTION_AT: u32 = 60;
const OFFSET: u64 = (1 << ACTION_AT) - 1;

impl Request {
    /// An offset that no file has, with the action in bits 60 to 62: 0 unlocks, 1
    /// and 2 lock to read and to write, 3 and 4 test that. A length of 0 is all
    /// that follows.
    pub(crate) fn of(offset: u64, length: u64) -> Option<FsResult<Self>> {
        if offset & REQUEST == 0 {
            return None;
        }
        let action = match (offset & !REQUEST) >> ACTION_AT {
            0 => Action::Unlock,
            1 => Action::Lock(Access::Read),
            2 => Action::Lock(Access::Write),
            3 => Action::Test(Access::Read),
            4 => Action::Test(Access::Write),
            _ => return Some(Err(FsError::Invalid)),
        };
        let start = offset & OFFSET;
        let end = if length == 0 { u64::MAX } else { start.saturating_add(length) };
        Some(Ok(Self { action, bytes: start..end }))
    }
}

/// So many stretches of one file can a program hold.
const MOST_RECORDS: usize = 64;

/// A program that can hold locks. When it goes, they go.
#[derive(Debug)]
pub(crate) struct LockOwner {
    number: u64,
    /// The files of which it may hold any.
    files: Mutex<Vec<Lockable>>,
}

#[derive(Debug, Clone)]
struct Record {
    owner: u64,
    access: Access,
    bytes: Range<u64>,
}

type Table = HashMap<Lockable, Vec<Record>>;

/// Of the whole process: two sandboxes can have the same folder of the host.
static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for LockOwner {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), files: Mutex::default() }
    }
}

impl LockOwner {
    /// Does what is asked at once or, if another program is in the way, fails with
    /// [`FsError::WouldBlock`].
    pub(crate) fn request(&self, file: Lockable, request: &Request) -> FsResult<()> {
        let mut table = table();
        let records = table.entry(file).or_default();
        let result = self.apply(records, request);
        let is_held = records.iter().any(|record| record.owner == self.number);
        if records.is_empty() {
            table.remove(&file);
        }
        if is_held {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            if !files.contains(&file) {
                files.push(file);
            }
        }
        result
    }

    fn apply(&self, records: &mut Vec<Record>, request: &Request) -> FsResult<()> {
        let is_own = |record: &Record| record.owner == self.number;
        let bytes = &request.bytes;
        if let Action::Lock(access) | Action::Test(access) = request.action {
            let conflicts = |record: &Record| {
                let shared = access == Access::Read && record.access == Access::Read;
                !is_own(record) && !shared && overlap(&record.bytes, bytes)
            };
            if records.iter().any(conflicts) {
                return Err(FsError::WouldBlock);
            }
        }
        let access = match request.action {
            Action::Test(_) => return Ok(()),
            Action::Unlock => None,
            Action::Lock(access) => Some(access),
        };
        let owner = self.number;
        let mut own: Vec<Record> = Vec::new();
        let mut before = 0;
        for record in records.iter().filter(|record| is_own(record)) {
            before += 1;
            let under = record.bytes.start..record.bytes.end.min(bytes.start);
            let over = record.bytes.start.max(bytes.end)..record.bytes.end;
            let left = [under, over].into_iter().filter(|left| !left.is_empty());
            own.extend(left.map(|bytes| Record { bytes, ..record.clone() }));
        }
        own.extend(access.map(|access| Record { owner, access, bytes: bytes.clone() }));
        if own.len() > MOST_RECORDS.max(before) {
            return Err(FsError::TooManyOpen);
        }
        records.retain(|record| !is_own(record));
        records.append(&mut own);
        Ok(())
    }

    /// Gives up all that it holds of one file.
    pub(crate) fn release(&self, file: Lockable) {
        let mut table = table();
        if let Some(records) = table.get_mut(&file) {
            records.retain(|record| record.owner != self.number);
            if records.is_empty() {
                table.remove(&file);
            }
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| *held != file);
    }
}

impl Drop for LockOwner {
    fn drop(&mut self) {
        let files = std::mem::take(self.files.get_mut().unwrap_or_else(PoisonError::into_inner));
        for file in files {
            self.release(file);
        }
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A file that no other test locks.
    fn file(number: u64) -> Lockable {
        Lockable::Memory { storage: 0, node: NodeId { epoch: 0, number } }
    }

    fn lock(access: Access, bytes: Range<u64>) -> Request {
        Request { action: Action::Lock(access), bytes }
    }

    fn unlock(bytes: Range<u64>) -> Request {
        Request { action: Action::Unlock, bytes }
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let (file, one, other) = (file(1), LockOwner::default(), LockOwner::default());
        one.request(file, &lock(Access::Read, 0..10)).unwrap();
        other.request(file, &lock(Access::Read, 5..15)).unwrap();
        let write = lock(Access::Write, 9..10);
        assert_eq!(one.request(file, &write), Err(FsError::WouldBlock));
        other.request(file, &unlock(9..10)).unwrap();
        one.request(file, &write).unwrap();
        assert_eq!(other.request(file, &lock(Access::Read, 9..10)), Err(FsError::WouldBlock));
        other.request(file, &lock(Access::Read, 10..15)).unwrap();
    }

    #[test]
    fn a_part_can_be_given_up() {
        let (file, one, other) = (file(2), LockOwner::default(), LockOwner::default());
        one.request(file, &lock(Access::Write, 0..u64::MAX)).unwrap();
        one.request(file, &unlock(10..20)).unwrap();
        other.request(file, &lock(Access::Write, 10..20)).unwrap();
        for bytes in [9..10, 20..21, 0..u64::MAX] {
            let test = Request { action: Action::Test(Access::Read), bytes };
            assert_eq!(other.request(file, &test), Err(FsError::WouldBlock));
        }
    }

    #[test]
    fn locks_go_with_the_file_and_with_their_owner() {
        let (file, one, other) = (file(3), LockOwner::default(), LockOwner::default());
        let write = lock(Access::Write, 0..1);
        one.request(file, &write).unwrap();
        one.release(file);
        other.request(file, &write).unwrap();
        drop(other);
        one.request(file, &write).unwrap();
        drop(one);
        assert!(!table().contains_key(&file));
    }

    #[test]
    fn there_is_a_limit() {
        let (file, one) = (file(4), LockOwner::default());
        let taken = (0..1000)
            .take_while(|at| one.request(file, &lock(Access::Read, at * 2..at * 2 + 1)).is_ok());
        assert_eq!(taken.count(), MOST_RECORDS);
        one.request(file, &unlock(0..1)).unwrap();
        one.request(file, &lock(Access::Read, 0..1)).unwrap();
        assert_eq!(one.request(file, &lock(Access::Read, 500..501)), Err(FsError::TooManyOpen));
        one.request(file, &lock(Access::Read, 0..1000)).unwrap();
    }

    #[test]
    fn requests_are_told_from_advice() {
        assert_eq!(Request::of(5, 6), None);
        let read = Request::of(REQUEST | 1 << ACTION_AT | 5, 6).unwrap().unwrap();
        assert_eq!(read, lock(Access::Read, 5..11));
        let all = Request::of(REQUEST, 0).unwrap().unwrap();
        assert_eq!(all, unlock(0..u64::MAX));
        assert_eq!(Request::of(u64::MAX, u64::MAX), Some(Err(FsError::Invalid)));
        let far = Request::of(REQUEST | OFFSET, u64::MAX).unwrap().unwrap();
        assert_eq!(far, unlock(OFFSET..u64::MAX));
    }
}
