//! The standard library's archive, found where it lies in the runtime.

use crate::RuntimeSource;
use bytes::Bytes;
use memchr::memmem;
use std::ops::Range;

/// What the end of a zip file's directory begins with, and its size without the comment
/// that comes after it.
const END: &[u8; 4] = b"PK\x05\x06";
const END_SIZE: usize = 22;
/// What an entry begins with, and what its place in the directory does.
const ENTRY: &[u8; 4] = b"PK\x03\x04";
const IN_DIRECTORY: &[u8; 4] = b"PK\x01\x02";

impl RuntimeSource {
    /// The standard library: a zip file with each module's source and byte code, as
    /// programs find it at [`python_stdlib_path`](crate::PythonExecutor::python_stdlib_path).
    /// None if the runtime has none.
    ///
    /// It is a part of the runtime's bytes, so it costs no memory. Looking for it takes a
    /// few milliseconds, each time.
    pub fn stdlib(&self) -> Option<Bytes> {
        let bytes = self.content.bytes();
        memmem::find_iter(bytes, END)
            .find_map(|end| archive_that_ends(bytes, end))
            .map(|place| bytes.slice(place))
    }
}

/// The archive whose directory ends at `end`, if it is one: what looks like its end may
/// be anything.
fn archive_that_ends(bytes: &[u8], end: usize) -> Option<Range<usize>> {
    let record = bytes.get(end..end + END_SIZE)?;
    let number = |at: Range<usize>| {
        let bytes = record.get(at)?.iter().rev();
        Some(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let (size, offset, comment) = (number(12..16)?, number(16..20)?, number(20..22)?);
    let directory = end.checked_sub(size)?;
    let start = directory.checked_sub(offset)?;
    let end = end + END_SIZE + comment;
    let is_one = bytes.get(directory..)?.starts_with(IN_DIRECTORY)
        && bytes.get(start..end)?.starts_with(ENTRY);
    is_one.then_some(start..end)
}
