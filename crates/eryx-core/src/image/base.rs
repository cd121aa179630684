#![expect(unsafe_code, reason = "the memory is borrowed from what is kept beside it")]

use super::{PAGE, Piece};
use crate::bindings::exports::eryx::runtime::image::Range as Place;
use crate::body::Body;
use crate::view::RuntimeView;
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;

/// The memory of a fresh interpreter: of one that nobody uses, read where it is. What the
/// runtime's file holds of it takes no memory so, and what is never asked for costs
/// nothing.
pub(crate) struct Base {
    /// Of the instance below.
    memory: &'static [u8],
    /// Pages that mean nothing between two calls.
    transit: Range<usize>,
    /// Pages of the WASI adapter, which belong to its instance.
    adapter: Range<usize>,
    /// Is never entered again. The lock is nobody's: with it threads can share the rest.
    _instance: Mutex<Box<dyn Send>>,
}

impl Base {
    /// The memory of an interpreter that has just started.
    pub(crate) async fn of<T: RuntimeView>(mut body: Body<T>) -> wasmtime::Result<Self> {
        let list = body.memory().await?;
        let memory: *const [u8] = list.as_le_slice(&body.store);
        Ok(Self {
            // SAFETY: the instance is kept as long as this, and moving it moves no memory.
            // Nobody can enter it any more, so that nothing is written and nothing grows.
            // The borrow is handed out for no longer than one of this.
            memory: unsafe { &*memory },
            transit: pages(body.places.transit)?,
            adapter: pages(body.places.adapter)?,
            _instance: Mutex::new(Box::new(body)),
        })
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.memory.len()
    }

    /// What of it lies in this page. Beyond its end a fresh memory is zero.
    pub(crate) fn page(&self, number: usize) -> &[u8] {
        self.pages(&(number..number + 1)).unwrap_or_default()
    }

    /// Whether these pages are zero in a fresh memory.
    pub(crate) fn is_zero(&self, run: &Range<usize>) -> bool {
        let end = run.end.min(self.size() / PAGE);
        let known = self.pages(&(run.start.min(end)..end)).unwrap_or_default();
        known.chunks(PAGE).all(|page| page == [0; PAGE])
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
        let address = u32::try_from(pages.start * PAGE).ok()?;
        Some(Piece { address, bytes: self.pages(pages)? })
    }

    fn pages(&self, pages: &Range<usize>) -> Option<&[u8]> {
        self.memory.get(pages.start * PAGE..pages.end * PAGE)
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
