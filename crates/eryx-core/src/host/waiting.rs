use super::Host;
use crate::bindings::eryx::runtime::waiting::Host as Waiting;
use crate::view::RuntimeView;
use std::time::Duration;

impl<T: RuntimeView> Waiting for Host<'_, T> {
    async fn wait(&mut self, nanoseconds: u64) -> wasmtime::Result<Vec<u32>> {
        // The run's deadline is watched from outside: this may be as long as
        // the guest likes.
        Ok(self.0.runtime().wait(Duration::from_nanos(nanoseconds)).await)
    }

    fn stop_requested(&mut self) -> wasmtime::Result<bool> {
        Ok(self.0.runtime().stop_requested())
    }

    async fn cancel(&mut self, operation: u32) -> wasmtime::Result<()> {
        self.0.runtime().cancel(operation).await;
        Ok(())
    }
}
