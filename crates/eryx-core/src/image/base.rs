use super::runs::push;
use super::{PAGE, Piece, advice};
use crate::bindings::exports::eryx::runtime::image::Range as Place;
use crate::body::Body;
use crate::view::RuntimeView;
use std::fmt;
use std::ops::Range;

/// The memory of a fresh interpreter.
pub(crate) struct Base {
    memory: Vec<u8>,
    /// Runs of its pages that are all zero.
    zeros: Vec<Range<usize>>,
    /// Pages that mean nothing between two calls.
    transit: Range<usize>,
    /// Pages of the WASI adapter, which belong to its instance.
    adapter: Range<usize>,
}

impl Base {
    /// The memory of an interpreter that has just started.
    pub(crate) async fn of<T: RuntimeView>(body: &mut Body<T>) -> wasmtime::Result<Self> {
        let list = body.memory().await?;
        let whole = list.as_le_slice(&body.store);
        advice::fetch(whole);
        // Of the copy, what is never written to takes no memory: half of it is zeros.
        let mut memory = vec![0; whole.len()];
        let mut zeros = Vec::new();
        for (number, (copy, page)) in memory.chunks_mut(PAGE).zip(whole.chunks(PAGE)).enumerate() {
            if page == [0; PAGE] {
                push(&mut zeros, number..number + 1);
            } else {
                copy.copy_from_slice(page);
            }
        }
        // Nothing is to be there that the interpreter has not touched.
        advice::forget(whole);
        Ok(Self {
            memory,
            zeros,
            transit: pages(body.places.transit)?,
            adapter: pages(body.places.adapter)?,
        })
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.memory.len()
    }

    /// What of it lies in this page. Beyond its end a fresh memory is zero.
    pub(crate) fn page(&self, number: usize) -> &[u8] {
        let start = number * PAGE;
        self.memory.get(start..start + PAGE).unwrap_or_default()
    }

    /// Whether these pages are zero in a fresh memory.
    pub(crate) fn is_zero(&self, run: &Range<usize>) -> bool {
        let before = self.zeros.partition_point(|zeros| zeros.start <= run.start);
        let zeros = before.checked_sub(1).and_then(|index| self.zeros.get(index));
        run.start >= self.size() / PAGE || zeros.is_some_and(|zeros| zeros.end >= run.end)
    }

    /// These pages of it, without those in transit.
    pub(crate) fn pieces(&self, runs: &[Range<usize>]) -> Option<Vec<Piece<'_>>> {
        let transit = &self.transit;
        let mut pieces = Vec::with_capacity(runs.len() + 1);
        for run in runs {
            let before = run.start..run.end.min(transit.start);
            let after = run.start.max(transit.end)..run.end;
            for pages in [before, after] {
                if !pages.is_empty() {
                    pieces.push(self.piece(&pages)?);
                }
            }
        }
        Some(pieces)
    }

    fn piece(&self, pages: &Range<usize>) -> Option<Piece<'_>> {
        let address = pages.start * PAGE;
        let bytes = self.memory.get(address..pages.end * PAGE)?;
        Some(Piece { address: u32::try_from(address).ok()?, bytes })
    }

    /// Whether what lies in this page is of no use to another instance.
    pub(crate) fn stays(&self, page: usize) -> bool {
        self.transit.contains(&page) || self.adapter.contains(&page)
    }
}

fn pages(place: Place) -> wasmtime::Result<Range<usize>> {
    let start = usize::try_from(place.address)?;
    let end = start + usize::try_from(place.size)?;
    Ok(start / PAGE..end.div_ceil(PAGE))
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").finish_non_exhaustive()
    }
}
