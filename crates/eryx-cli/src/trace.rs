//! `--trace`: what the program did, as a file.

use crate::exit::Exit;
use crate::say::Refusal;
use eryx::{ExecutionOutput, TraceOptions, chrome_trace};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// The file for a trace, made before the program runs: if it cannot be, nothing does.
#[derive(Debug)]
pub(crate) struct TraceFile {
    path: PathBuf,
    file: File,
}

impl TraceFile {
    pub(crate) fn create(path: PathBuf) -> Result<Self, Refusal> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => {
                let message = format!("cannot write {}: {error}", path.display());
                Err(Refusal::new(Exit::NoOutput, message))
            }
        }
    }

    /// Such a file shows no lines.
    pub(crate) fn options() -> TraceOptions {
        TraceOptions::default().with_lines(false)
    }

    /// Writes what the program did, or tells why that could not be.
    pub(crate) fn write(self, output: &ExecutionOutput) -> Result<(), String> {
        let Self { path, file } = self;
        let mut file = BufWriter::new(file);
        serde_json::to_writer(&mut file, &chrome_trace(&output.trace))
            .map_err(io::Error::from)
            .and_then(|()| file.flush())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}
