use super::Host;
use crate::bindings::eryx::runtime::waiting::Host as Waiting;
use crate::view::RuntimeView;
use std::time::Duration;

impl<T: RuntimeView> Waiting for Host<'_, T> {
    async fn wait(&mut self, nanoseconds: u64) -> wasmtime::Result<()> {
        // The run's deadline is watched from outside: this may be as long as
        // the guest likes.
        tokio::time::sleep(Duration::from_nanos(nanoseconds)).await;
        Ok(())
    }
}
