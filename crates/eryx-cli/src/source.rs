use crate::exit::Exit;
use std::fs;
use std::io::{self, Read};

/// Where a program comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Code(String),
    Stdin,
    File(String),
}

/// Why a program could not be had: what to say, and with which status to end.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) exit: Exit,
}

impl Source {
    /// `sys.argv[0]`, as CPython sets it.
    pub(crate) fn argv0(&self) -> &str {
        match self {
            Self::Code(_) => "-c",
            Self::Stdin => "-",
            Self::File(path) => path,
        }
    }

    pub(crate) fn read(&self) -> Result<String, Unreadable> {
        let name = match self {
            Self::Code(_) => "the code after -c",
            Self::Stdin => "standard input",
            Self::File(path) => path,
        };
        let bytes = match self {
            Self::Code(code) => Ok(code.clone().into_bytes()),
            Self::Stdin => read_stdin(),
            Self::File(path) => fs::read(path),
        };
        let bytes = bytes.map_err(|error| Unreadable {
            message: format!("cannot read {name}: {error}"),
            exit: Exit::NoSource,
        })?;
        if let Some(position) = bytes.iter().position(|byte| *byte == 0) {
            let line = line_of(&bytes, position);
            return Err(bad(format!(
                "{name} holds a NUL byte in line {line}: it is no Python source"
            )));
        }
        String::from_utf8(bytes).map_err(|error| {
            let position = error.utf8_error().valid_up_to();
            let line = line_of(error.as_bytes(), position);
            bad(format!(
                "{name} is not UTF-8: line {line} holds the byte 0x{:02x}. Save it as UTF-8",
                error.as_bytes().get(position).copied().unwrap_or_default()
            ))
        })
    }
}

fn read_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn bad(message: String) -> Unreadable {
    Unreadable { message, exit: Exit::BadSource }
}

fn line_of(bytes: &[u8], position: usize) -> usize {
    1 + bytes.iter().take(position).filter(|byte| **byte == b'\n').count()
}
