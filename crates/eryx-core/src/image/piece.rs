use wasmtime::component::{ComponentType, Lower};

/// Bytes and the place in the guest's memory they belong to.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Piece<'a> {
    pub(crate) address: u32,
    pub(crate) bytes: &'a [u8],
}

impl Piece<'_> {
    /// How many the guest takes at once.
    pub(crate) const AT_ONCE: usize = 5000;
}
