//! The guest's imports: translation only.

mod callbacks;
mod output;
mod tracing;
mod waiting;

use crate::bindings::Sandbox;
use crate::view::RuntimeView;
use std::fmt;
use std::marker::PhantomData;
use wasmtime::component::{HasData, Linker};

/// Lends a store's data to the imports.
pub(crate) struct Host<'a, T>(&'a mut T);

impl<T> fmt::Debug for Host<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

struct HasHost<T>(PhantomData<T>);

impl<T: RuntimeView> HasData for HasHost<T> {
    type Data<'a> = Host<'a, T>;
}

/// Links everything that the guest imports from this crate.
pub(crate) fn add_to_linker<T: RuntimeView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    Sandbox::add_to_linker::<T, HasHost<T>>(linker, |data| Host(data))
}
