use super::Guest;
use crate::NetView;
use crate::bindings::eryx::net::names::Host;
use crate::bindings::eryx::net::types::Failure;

impl<T: NetView> Host for Guest<'_, T> {
    fn resolve(&mut self, name: String) -> Result<u32, Failure> {
        let (work, slot) = self.0.net().look_up(&name)?;
        let operation = self.0.submit(work)?;
        self.0.net().await_look_up(operation, slot);
        Ok(operation)
    }

    fn take_addresses(&mut self, of: u32) -> Result<Vec<String>, Failure> {
        let addresses = self.0.net().take_addresses(of)?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }
}
