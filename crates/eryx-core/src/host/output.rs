use super::Host;
use crate::bindings::eryx::runtime::output::{Host as Output, Stream};
use crate::stream::OutputStream;
use crate::view::RuntimeView;

impl<T: RuntimeView> Output for Host<'_, T> {
    async fn write(&mut self, to: Stream, bytes: Vec<u8>) -> wasmtime::Result<()> {
        let stream = match to {
            Stream::Stdout => OutputStream::Stdout,
            Stream::Stderr => OutputStream::Stderr,
        };
        Ok(self.0.runtime().print(stream, bytes).await?)
    }
}
