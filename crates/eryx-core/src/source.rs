use crate::Error;
use crate::compiled::{Content, bytes_of};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;

/// The version of Python that the runtime is, without its last part.
pub const PYTHON_VERSION: &str = "3.13";

/// Where the runtime's own modules say they are.
pub const STDLIB: &str = "/usr/lib/python313.zip";

/// Where programs look for packages.
pub const SITE_PACKAGES: &str = "/usr/lib/python3.13/site-packages";

/// A runtime that is not loaded yet: the component's bytes, or those of its compiled code,
/// and the component's hash. Cheap to clone.
#[derive(Clone)]
pub struct RuntimeSource {
    pub(crate) content: Content,
    pub(crate) hash: [u8; 32],
    /// For messages: where the bytes came from.
    pub(crate) origin: String,
}

impl RuntimeSource {
    /// Reads a component from disk.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(Error::file("read the runtime", path))?;
        let mut source = Self::from_bytes(bytes);
        source.origin = path.display().to_string();
        Ok(source)
    }

    /// Takes a component from memory. Costs one hash over it.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = bytes_of(bytes.into());
        let hash = *blake3::hash(&bytes).as_bytes();
        let content = Content::Component(bytes);
        Self { content, hash, origin: "the runtime given as bytes".into() }
    }

    /// Takes a component that was built into the program, with its BLAKE3 hash,
    /// so that a start need not compute it. The hash names the compiled code in
    /// the cache: a wrong one loads another runtime's code.
    pub const fn embedded(bytes: &'static [u8], hash: [u8; 32]) -> Self {
        let content = Content::Component(Bytes::from_static(bytes));
        Self { content, hash, origin: String::new() }
    }

    pub(crate) fn origin(&self) -> String {
        if self.origin.is_empty() {
            "the runtime built into this program".into()
        } else {
            self.origin.clone()
        }
    }
}

impl fmt::Debug for RuntimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeSource")
            .field("origin", &self.origin())
            .field("bytes", &self.content.bytes().len())
            .finish_non_exhaustive()
    }
}
