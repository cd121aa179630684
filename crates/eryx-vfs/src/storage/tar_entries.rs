//! Tar streams from anywhere.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use tar::{Archive, Entry};

/// What may stand before an entry: its header, and long names and attributes.
const MOST_BEFORE: u64 = 64 << 10;

/// Shows all entries of a tar stream, and reads it to its end.
///
/// # Errors
/// What `each` answers, or an [`io::Error`] if the stream is none, has no end, or has
/// names and attributes that would take much memory.
#[doc(hidden)]
pub fn for_each_entry<R: Read, E: From<io::Error>>(
    tar: R,
    mut each: impl FnMut(&mut Entry<'_, Guarded<R>>) -> Result<(), E>,
) -> Result<(), E> {
    let left = Rc::new(Cell::new(MOST_BEFORE));
    let mut archive = Archive::new(Guarded { inner: tar, left: Rc::clone(&left), zeros: 0 });
    for entry in archive.entries()? {
        let mut entry = entry?;
        left.set(u64::MAX);
        each(&mut entry)?;
        io::copy(&mut entry, &mut io::sink())?;
        left.set(MOST_BEFORE);
    }
    left.set(u64::MAX);
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink())?;
    if rest.zeros < END {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

/// The zeros that end a stream.
const END: u64 = 1024;

/// A stream that counts what is read of it.
#[derive(Debug)]
#[doc(hidden)]
pub struct Guarded<R> {
    inner: R,
    left: Rc<Cell<u64>>,
    /// How many were read since anything else was.
    zeros: u64,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let length = u64::try_from(read).unwrap_or(u64::MAX);
        let Some(left) = self.left.get().checked_sub(length) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a name is too long"));
        };
        self.left.set(left);
        let bytes = into.get(..read).unwrap_or_default();
        let end = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let before = if end == read { self.zeros } else { 0 };
        self.zeros = before.saturating_add(u64::try_from(end).unwrap_or(0));
        Ok(read)
    }
}
