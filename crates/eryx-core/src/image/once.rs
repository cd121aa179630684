use std::process;
use std::sync::OnceLock;

/// What the kernel tells of one process, or does for it: got when it is first asked for,
/// and then kept. After a fork without exec it would be the parent's still: the child has
/// none.
#[derive(Debug)]
pub(super) struct OncePerProcess<T>(OnceLock<Option<(u32, T)>>);

impl<T> OncePerProcess<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn get(&self, open: impl FnOnce() -> Option<T>) -> Option<&T> {
        let kept = self.0.get_or_init(|| Some((process::id(), open()?)));
        let (process, it) = kept.as_ref()?;
        (*process == process::id()).then_some(it)
    }
}
