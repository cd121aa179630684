use super::Guest;
use crate::NetView;
use crate::bindings::eryx::net::tcp::{Direction, Endpoint, Endpoints, Host};
use crate::bindings::eryx::net::types::Failure;
use std::net::SocketAddr;

impl<T: NetView> Host for Guest<'_, T> {
    fn connect(&mut self, address: String, port: u16) -> Result<u32, Failure> {
        let (work, slot) = self.0.net().connect(&address, port)?;
        let operation = self.0.submit(work)?;
        self.0.net().await_connect(operation, slot);
        Ok(operation)
    }

    fn take_connection(&mut self, of: u32) -> Result<u32, Failure> {
        self.0.net().take_connection(of)
    }

    fn ends(&mut self, of: u32) -> Result<Endpoints, Failure> {
        let connection = self.0.net().connection(of)?;
        Ok(Endpoints { local: endpoint(connection.local()?), peer: endpoint(connection.peer()) })
    }

    fn receive(&mut self, on: u32, limit: u32, keep: bool) -> Result<Vec<u8>, Failure> {
        self.0.net().receive(on, limit, keep)
    }

    fn send(&mut self, on: u32, bytes: Vec<u8>) -> Result<u32, Failure> {
        self.0.net().send(on, &bytes)
    }

    fn readable(&mut self, on: u32) -> Result<Option<u32>, Failure> {
        let connection = self.0.net().connection(on)?;
        if connection.is_readable() {
            return Ok(None);
        }
        let work = Box::pin(connection.until_readable());
        Ok(Some(self.0.submit(work)?))
    }

    fn writable(&mut self, on: u32) -> Result<Option<u32>, Failure> {
        let connection = self.0.net().connection(on)?;
        if connection.is_writable() {
            return Ok(None);
        }
        let work = Box::pin(connection.until_writable());
        Ok(Some(self.0.submit(work)?))
    }

    fn set_no_delay(&mut self, of: u32, yes: bool) -> Result<(), Failure> {
        self.0.net().connection(of)?.set_no_delay(yes)
    }

    fn shut_down(&mut self, on: u32, what: Direction) -> Result<(), Failure> {
        self.0.net().connection(on)?.shut_down(what)
    }

    fn close(&mut self, on: u32) {
        self.0.net().close(on);
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { address: address.ip().to_string(), port: address.port() }
}
