use super::Guest;
use crate::NetView;
use crate::bindings::eryx::net::tls::{Agreement, Host, Options};
use crate::bindings::eryx::net::types::Failure;
use crate::ctx::MOST_BYTES;

impl<T: NetView> Host for Guest<'_, T> {
    fn open_on(&mut self, on: u32, options: Options) -> Result<u32, Failure> {
        self.0.net().open_tls_on(on, &options)
    }

    fn open(&mut self, options: Options) -> Result<u32, Failure> {
        self.0.net().open_tls(&options)
    }

    fn handshake(&mut self, of: u32) -> Result<(), Failure> {
        self.0.net().with_session(of, |session, lower| session.handshake(lower))
    }

    fn receive(&mut self, of: u32, limit: u32) -> Result<Vec<u8>, Failure> {
        self.0.net().receive_tls(of, limit)
    }

    fn send(&mut self, of: u32, bytes: Vec<u8>) -> Result<u32, Failure> {
        let sent = self.0.net().with_session(of, |session, lower| session.send(&bytes, lower))?;
        Ok(count(sent))
    }

    fn pending(&mut self, of: u32) -> Result<u32, Failure> {
        Ok(count(self.0.net().session(of)?.pending()?))
    }

    fn shut_down(&mut self, of: u32) -> Result<(), Failure> {
        self.0.net().with_session(of, |session, lower| session.shut_down(lower))
    }

    fn agreed(&mut self, of: u32) -> Result<Agreement, Failure> {
        self.0.net().session(of)?.agreement()
    }

    fn certificates(&mut self, of: u32) -> Result<Vec<Vec<u8>>, Failure> {
        Ok(self.0.net().session(of)?.certificates())
    }

    fn feed(&mut self, of: u32, records: Vec<u8>) -> Result<u32, Failure> {
        Ok(count(self.0.net().session(of)?.feed(&records)))
    }

    fn feed_end(&mut self, of: u32) -> Result<(), Failure> {
        self.0.net().session(of)?.feed_end();
        Ok(())
    }

    fn drain(&mut self, of: u32, limit: u32) -> Result<Vec<u8>, Failure> {
        let limit = usize::try_from(limit).unwrap_or(MOST_BYTES).min(MOST_BYTES);
        Ok(self.0.net().session(of)?.drain(limit))
    }

    fn close(&mut self, of: u32) {
        self.0.net().close_tls(of);
    }
}

fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
