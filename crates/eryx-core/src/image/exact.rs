//! Memory of which the kernel maps the pages that are touched, and no others.

/// Has the kernel map just the page that is touched, of what comes from a file. By itself
/// it maps the fifteen around it, too, and looks at each of them whenever it is asked which
/// were written: [`pagemap`](super::pagemap).
///
/// Where `userfaultfd` may watch writes it does not. None is ever watched here, and the
/// memory is otherwise as it was. This takes Linux 6.7; without it that question costs more.
pub(crate) fn exact(memory: &[u8]) {
    #[cfg(target_os = "linux")]
    if let Some(watch) = linux::watch() {
        // What this refuses stays as it is.
        let _ = linux::register(watch, memory);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(target_os = "linux")]
mod linux {
    #![expect(unsafe_code, reason = "rustix has these ioctls as numbers with a structure only")]

    use super::super::once::OncePerProcess;
    use rustix::fd::OwnedFd;
    use rustix::ioctl::{self, Opcode, Updater};
    use rustix::mm::{self, UserfaultfdFlags};

    /// `struct uffdio_api` of `linux/userfaultfd.h`.
    #[repr(C)]
    struct Api {
        version: u64,
        features: u64,
        ioctls: u64,
    }

    /// `struct uffdio_register`.
    #[repr(C)]
    struct Register {
        start: u64,
        size: u64,
        mode: u64,
        ioctls: u64,
    }

    const GROUP: u8 = 0xaa;
    const API: Opcode = ioctl::opcode::read_write::<Api>(GROUP, 0x3f);
    const REGISTER: Opcode = ioctl::opcode::read_write::<Register>(GROUP, 0);

    const VERSION: u64 = 0xaa;

    /// Without the faults of the kernel's own any user may ask for it.
    const USER_MODE_ONLY: u32 = 1;

    /// A write to a page that is watched goes on by itself: only so may a file's be.
    const WP_ASYNC: u64 = 1 << 15;

    /// What may be watched is writes.
    const WRITES: u64 = 1 << 1;

    /// One for the whole process, as what it was told goes with it.
    pub(super) fn watch() -> Option<&'static OwnedFd> {
        static WATCH: OncePerProcess<OwnedFd> = OncePerProcess::new();
        WATCH.get(open)
    }

    fn open() -> Option<OwnedFd> {
        let flags = UserfaultfdFlags::CLOEXEC
            | UserfaultfdFlags::NONBLOCK
            | UserfaultfdFlags::from_bits_retain(USER_MODE_ONLY);
        // SAFETY: all that is done with it is what `register` does.
        let watch = unsafe { mm::userfaultfd(flags) }.ok()?;
        let mut api = Api { version: VERSION, features: WP_ASYNC, ioctls: 0 };
        // SAFETY: the structure is the one that belongs to the number.
        unsafe { ioctl::ioctl(&watch, Updater::<API, Api>::new(&mut api)) }.ok()?;
        Some(watch)
    }

    pub(super) fn register(watch: &OwnedFd, memory: &[u8]) -> rustix::io::Result<()> {
        let mut register = Register {
            start: memory.as_ptr().addr() as u64,
            size: memory.len() as u64,
            mode: WRITES,
            ioctls: 0,
        };
        // SAFETY: the structure is the one that belongs to the number. No page is
        // protected, so that no write ever waits, and no content changes.
        unsafe { ioctl::ioctl(watch, Updater::<REGISTER, Register>::new(&mut register)) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(unsafe_code, reason = "a mapping that is the test's own")]

    use super::*;
    use crate::image::{PAGE, pagemap};
    use rustix::mm::{self, MapFlags, ProtFlags};
    use std::fs::{self, File};
    use std::{io, ptr, slice};

    const PAGES: usize = 64;

    #[test]
    fn pages_are_mapped_when_they_are_touched() -> io::Result<()> {
        let path = std::env::temp_dir().join(format!("eryx-exact-{}", std::process::id()));
        fs::write(&path, vec![7; PAGES * PAGE])?;
        let file = File::open(&path)?;
        fs::remove_file(&path)?;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping, of a file that nobody else has.
        let mapped = unsafe { mm::mmap(ptr::null_mut(), PAGES * PAGE, access, flags, &file, 0) }?;
        // SAFETY: the whole of it, which stays until the process ends.
        let memory = unsafe { slice::from_raw_parts_mut(mapped.cast::<u8>(), PAGES * PAGE) };
        exact(memory);
        memory[40 * PAGE] += memory[20 * PAGE];
        memory[42 * PAGE] += memory[30 * PAGE];
        if linux::watch().is_some() {
            assert_eq!(pagemap::present(memory), [20..21, 30..31, 40..41, 42..43]);
            assert_eq!(pagemap::told(memory, |_| false), Some(vec![40..41, 42..43]));
        }
        assert_eq!((memory[40 * PAGE], memory[20 * PAGE], memory[40 * PAGE + 1]), (14, 7, 7));
        Ok(())
    }
}
