use super::Host;
use crate::bindings::eryx::runtime::output::{Host as Output, Stream};
use crate::view::RuntimeView;

impl<T: RuntimeView> Output for Host<'_, T> {
    fn write(&mut self, to: Stream, bytes: Vec<u8>) -> wasmtime::Result<()> {
        let to_stderr = matches!(to, Stream::Stderr);
        Ok(self.0.runtime().print(to_stderr, &bytes)?)
    }
}
