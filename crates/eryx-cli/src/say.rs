//! Messages of the program itself.

use crate::exit::Exit;
use std::fmt::Display;
use std::io::{self, Write};

/// Tells the user something.
pub(crate) fn say(message: impl Display) -> io::Result<()> {
    io::stderr().write_all(format!("eryx: {message}\n").as_bytes())
}

/// Tells the user why it ends so; if it can.
pub(crate) fn complain(exit: Exit, message: impl Display) -> Exit {
    match say(message) {
        Ok(()) => exit,
        Err(error) => Exit::unwritten(&error),
    }
}

/// Why there is no run: what to say, and with which status to end.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}
