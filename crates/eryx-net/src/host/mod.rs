//! The guest's imports: translation only.

mod names;
mod tcp;
mod tls;

#[cfg(test)]
mod tests;

use crate::NetView;
use crate::bindings::Imports;
use crate::bindings::eryx::net::types;
use std::fmt;
use std::marker::PhantomData;
use wasmtime::component::{HasData, Linker};

/// Lends a store's data to the imports.
struct Guest<'a, T>(&'a mut T);

impl<T> fmt::Debug for Guest<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guest")
    }
}

struct HasGuest<T>(PhantomData<T>);

impl<T: NetView + 'static> HasData for HasGuest<T> {
    type Data<'a> = Guest<'a, T>;
}

impl<T> types::Host for Guest<'_, T> {}

/// Links package `eryx:net`.
///
/// # Errors
/// If the linker has it already.
pub fn add_to_linker<T: NetView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    Imports::add_to_linker::<T, HasGuest<T>>(linker, |data| Guest(data))
}
