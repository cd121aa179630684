use crate::escape::for_terminal;
use crate::exit::Exit;
use crate::say::Refusal;
use eryx::MAX_SOURCE_SIZE;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};

/// Where a program comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Code(OsString),
    Stdin,
    File(OsString),
}

impl Source {
    /// `sys.argv[0]`, as CPython sets it.
    pub(crate) fn argv0(&self) -> Cow<'_, str> {
        match self {
            Self::Code(_) => "-c".into(),
            Self::Stdin => "-".into(),
            Self::File(path) => path.to_string_lossy(),
        }
    }

    /// What tracebacks show, as CPython's do.
    pub(crate) fn filename(&self) -> Cow<'_, str> {
        match self {
            Self::Code(_) => "<string>".into(),
            Self::Stdin => "<stdin>".into(),
            Self::File(path) => path.to_string_lossy(),
        }
    }

    pub(crate) fn read(&self) -> Result<String, Refusal> {
        let name = match self {
            Self::Code(_) => "the code after -c".to_owned(),
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => for_terminal(&path.to_string_lossy()),
        };
        let bytes = match self {
            Self::Code(code) => Ok(code.as_encoded_bytes().to_vec()),
            Self::Stdin => read(io::stdin().lock()),
            Self::File(path) => File::open(path).and_then(read),
        };
        let bytes = bytes.map_err(|error| {
            Refusal::new(Exit::NoSource, format!("cannot read {name}: {error}"))
        })?;
        check(bytes, &name).map_err(|message| Refusal::new(Exit::BadSource, message))
    }
}

/// Reads no more than shows that it is too much.
fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_SOURCE_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a program.
fn check(bytes: Vec<u8>, name: &str) -> Result<String, String> {
    if bytes.len() > MAX_SOURCE_SIZE {
        return Err(format!(
            "{name} is too large for a program: it has more than {} MiB",
            MAX_SOURCE_SIZE >> 20
        ));
    }
    if let Some(position) = bytes.iter().position(|byte| *byte == 0) {
        let line = line_of(&bytes, position);
        return Err(format!("{name} holds a NUL byte in line {line}: it is no Python source"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let line = line_of(error.as_bytes(), position);
        format!(
            "{name} is not UTF-8: line {line} holds the byte 0x{:02x}. Save it as UTF-8",
            error.as_bytes().get(position).copied().unwrap_or_default()
        )
    })
}

fn line_of(bytes: &[u8], position: usize) -> usize {
    1 + bytes.iter().take(position).filter(|byte| **byte == b'\n').count()
}
