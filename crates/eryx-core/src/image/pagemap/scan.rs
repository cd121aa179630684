//! By `PAGEMAP_SCAN`, which Linux has since 6.7: several times faster than
//! [`read`](super::read).
#![expect(unsafe_code, reason = "rustix has this ioctl as a number with a structure only")]

use super::super::runs::push;
use super::PAGE;
use rustix::ioctl::{self, Opcode, Updater};
use std::fs::File;
use std::ops::Range;

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    /// Where the kernel has stopped.
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    /// Categories that a page must not have in order to count as having them.
    category_inverted: u64,
    /// Those that it must have.
    category_mask: u64,
    /// Those of which it must have one.
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`. The kernel writes none that is empty.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const OPCODE: Opcode = ioctl::opcode::read_write::<Scan>(b'f', 16);

/// A page of a file, or of memory that is shared. A written page of a private
/// mapping is neither.
const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
/// Reading has made it: all of them are the same page of zeros.
const ZERO: u64 = 1 << 5;

const REGIONS: usize = 128;

pub(super) fn told(
    pagemap: &File,
    memory: &[u8],
    was_zero: impl Fn(&Range<usize>) -> bool,
) -> Option<Vec<Range<usize>>> {
    let first = u64::try_from(memory.as_ptr().addr()).ok()?;
    let end = first + u64::try_from(memory.len() / PAGE * PAGE).ok()?;
    let page = |address: u64| usize::try_from((address - first) / PAGE as u64).ok();
    let mut written = Vec::new();
    let mut start = first;
    while start < end {
        let mut regions = [Region::default(); REGIONS];
        let stopped = scan(pagemap, start..end, &mut regions)?;
        for region in regions.iter().take_while(|region| region.end > region.start) {
            let run = page(region.start)?..page(region.end)?;
            if region.categories & ZERO == 0 || !was_zero(&run) {
                push(&mut written, run);
            }
        }
        if stopped <= start {
            return None;
        }
        start = stopped;
    }
    Some(written)
}

/// Answers with the address up to which `regions` tells.
fn scan(pagemap: &File, addresses: Range<u64>, regions: &mut [Region; REGIONS]) -> Option<u64> {
    let mut scan = Scan {
        size: size_of::<Scan>() as u64,
        start: addresses.start,
        end: addresses.end,
        regions: regions.as_mut_ptr().expose_provenance() as u64,
        regions_len: REGIONS as u64,
        category_inverted: FILE,
        category_mask: FILE,
        category_anyof_mask: PRESENT | SWAPPED,
        return_mask: ZERO,
        ..Scan::default()
    };
    // SAFETY: the structure is the one that belongs to the number. The kernel
    // writes to it and to `regions`, as many as it is told there are. It reads
    // page tables of the addresses and none of the memory.
    unsafe { ioctl::ioctl(pagemap, Updater::<OPCODE, Scan>::new(&mut scan)) }.ok()?;
    Some(scan.walk_end)
}
