use crate::{NetCtx, TooManyOperations};
use std::pin::Pin;

/// Work that goes on while the guest does other things.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a store's data must lend so that its guest can use the network.
pub trait NetView: Send {
    /// This crate's part of the data.
    fn net(&mut self) -> &mut NetCtx;

    /// Has `work` done beside the guest, on tokio with I/O and time enabled,
    /// and returns the number under which the guest waits for its end. What is
    /// still under way when the run ends must be dropped.
    fn submit(&mut self, work: Work) -> Result<u32, TooManyOperations>;
}
