//! All of an interpreter between two programs, as its memory.

mod advice;
mod base;
mod capture;
mod exact;
mod fork;
#[cfg(target_os = "linux")]
mod once;
mod pagemap;
mod piece;
mod put;
mod recycle;
mod runs;

use crate::{SeededHost, SnapshotError};
use std::fmt;

pub(crate) use base::Base;
pub(crate) use capture::capture;
pub(crate) use exact::exact;
pub(crate) use fork::fork;
pub(crate) use piece::Piece;
pub(crate) use put::put;
pub(crate) use recycle::{recycle, rehearse};

/// The unit that is compared and kept: a page of most machines.
pub(crate) const PAGE: usize = 4096;

/// So many pages, 4 MiB, are looked at before others have their turn.
const PAGES_AT_ONCE: usize = 1024;

/// The unit that WebAssembly memory grows by.
const WASM_PAGE: usize = 64 << 10;

/// All of an interpreter between two programs: generators in mid-flight,
/// coroutines, open files in memory, whatever Python and its C modules hold.
///
/// It is the pages of memory that differ from those of a fresh interpreter, and
/// fits interpreters of the same runtime only. Captured by
/// [`Interpreter::capture`](crate::Interpreter::capture).
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// BLAKE3 of the runtime.
    runtime: [u8; 32],
    /// Of WebAssembly.
    memory_pages: u32,
    /// The numbers of the pages that differ, in order.
    pages: Vec<u32>,
    /// Those pages, combined by exclusive or with what a fresh interpreter has
    /// there.
    content: Vec<u8>,
    host: Option<SeededHost>,
}

impl Image {
    /// Bytes of a page.
    pub const PAGE: usize = PAGE;

    /// Puts an image together from what its other methods gave, on this machine
    /// or another.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] if these cannot be the parts of an image.
    pub fn from_parts(
        runtime: [u8; 32],
        memory_pages: u32,
        pages: Vec<u32>,
        content: Vec<u8>,
    ) -> Result<Self, SnapshotError> {
        let end = u64::from(memory_pages) * (WASM_PAGE / PAGE) as u64;
        let ascending = pages.is_sorted_by(|one, next| one < next);
        let inside = pages.last().is_none_or(|last| u64::from(*last) < end);
        if memory_pages > 1 << 16 || !ascending || !inside || content.len() != pages.len() * PAGE {
            return Err(SnapshotError::Damaged);
        }
        Ok(Self { runtime, memory_pages, pages, content, host: None })
    }

    /// The same with time and chance of a seeded interpreter.
    #[must_use]
    pub fn with_host(mut self, host: Option<SeededHost>) -> Self {
        self.host = host;
        self
    }

    /// Where time and chance stood, if a [seed](crate::Seed) made them.
    pub fn host(&self) -> Option<&SeededHost> {
        self.host.as_ref()
    }

    /// BLAKE3 of the runtime that it fits.
    pub fn runtime(&self) -> [u8; 32] {
        self.runtime
    }

    /// The size of the interpreter's memory, in WebAssembly's pages of 64 KiB.
    pub fn memory_pages(&self) -> u32 {
        self.memory_pages
    }

    /// The size of the interpreter's memory, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        u64::from(self.memory_pages) * WASM_PAGE as u64
    }

    /// The numbers of the pages of 4 KiB that differ from a fresh interpreter's,
    /// in order.
    pub fn pages(&self) -> &[u32] {
        &self.pages
    }

    /// These pages one after the other; of what a fresh interpreter has there
    /// only the difference, so mostly zeros.
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("memory_bytes", &self.memory_bytes())
            .field("pages", &self.pages.len())
            .finish_non_exhaustive()
    }
}

/// Combines pages with `other`, as far as that goes, by exclusive or: what
/// makes a difference of two, and one of them of the difference.
fn combine(bytes: &mut [u8], other: &[u8]) {
    let (words, _) = bytes.as_chunks_mut::<8>();
    let (others, _) = other.as_chunks::<8>();
    for (word, other) in words.iter_mut().zip(others) {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*other)).to_ne_bytes();
    }
}
