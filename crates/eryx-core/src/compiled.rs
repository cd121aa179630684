//! Compiled code as bytes that an embedder keeps: magic, format, the runtime's hash,
//! the code, and a keyed BLAKE3 over all of that if it has a key.
#![expect(unsafe_code, reason = "who gives compiled code without a key has to vouch for it")]

use crate::view::RuntimeView;
use crate::{Error, PythonExecutor, RuntimeSource};
use bytes::Bytes;
use std::borrow::Cow;

const MAGIC: &[u8; 8] = b"eryxcode";
const FORMAT: [u8; 2] = 1_u16.to_le_bytes();
const HASH: usize = 32;
const HEADER: usize = MAGIC.len() + FORMAT.len() + HASH;

/// Why compiled code is not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompiledFault {
    /// It is something else, or of another version of eryx.
    #[error(
        "the compiled runtime is not what `PythonExecutor::to_compiled` of this version of eryx \
         makes: make it again"
    )]
    Foreign,
    /// It was changed, or its maker had another key or none.
    #[error(
        "the compiled runtime's tag does not fit the key: it is damaged, or was made with another \
         key or without one"
    )]
    Tag,
    /// It is damaged, or for another processor, another version of wasmtime or other settings.
    #[error(
        "the compiled runtime is damaged or for another kind of machine: make it again on one like \
         this"
    )]
    Engine(#[source] wasmtime::Error),
    /// A run is to count fuel.
    #[error(
        "the compiled runtime cannot count fuel: load the component instead, or set no fuel limit"
    )]
    NoFuel,
}

impl From<CompiledFault> for Error {
    fn from(fault: CompiledFault) -> Self {
        Self::Compiled(Box::new(fault))
    }
}

impl<T: RuntimeView> PythonExecutor<T> {
    /// The compiled code, some 60 MB, for [`RuntimeSource::from_compiled`]: where that
    /// is at hand nothing is compiled and no cache is used.
    ///
    /// It fits machines with all features of this one's processor, and this version
    /// of eryx.
    ///
    /// # Errors
    /// [`Error::WasmEngine`] if wasmtime does not give it.
    pub fn to_compiled(&self) -> Result<Vec<u8>, Error> {
        let code = self.instance_pre().component().serialize().map_err(Error::WasmEngine)?;
        let mut bytes = Vec::with_capacity(HEADER + code.len() + HASH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT);
        bytes.extend_from_slice(&self.runtime_id());
        bytes.extend_from_slice(&code);
        Ok(bytes)
    }

    /// As [`to_compiled`](Self::to_compiled), with a tag that only who has the key can
    /// make, for [`RuntimeSource::from_compiled_with_key`].
    ///
    /// # Errors
    /// As [`to_compiled`](Self::to_compiled).
    pub fn to_compiled_with_key(&self, key: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let mut bytes = self.to_compiled()?;
        let tag = blake3::keyed_hash(key, &bytes);
        bytes.extend_from_slice(tag.as_bytes());
        Ok(bytes)
    }
}

impl RuntimeSource {
    /// Takes what [`PythonExecutor::to_compiled_with_key`] has made, after its tag has
    /// been checked. Whoever has the key can have this process run any code.
    ///
    /// Loading copies it once; runs cannot [count fuel](crate::ResourceLimits::fuel).
    ///
    /// # Errors
    /// [`Error::Compiled`] if it is something else, or its tag does not fit. Whether the
    /// machine can take it is seen when it is loaded.
    ///
    /// ```no_run
    /// # fn example(key: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
    /// use eryx_core::{PythonExecutor, RuntimeSource};
    ///
    /// // Where the program is built:
    /// let component = RuntimeSource::from_file("target/runtime/runtime.wasm")?;
    /// let code = PythonExecutor::new(component)?.to_compiled_with_key(&key)?;
    /// std::fs::write("runtime.code", code)?;
    ///
    /// // Where it runs:
    /// let compiled = RuntimeSource::from_compiled_with_key(std::fs::read("runtime.code")?, &key)?;
    /// let executor = PythonExecutor::new(compiled)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_compiled_with_key(
        bytes: impl Into<Cow<'static, [u8]>>,
        key: &[u8; 32],
    ) -> Result<Self, Error> {
        let bytes = bytes_of(bytes.into());
        let (content, tag) = bytes.split_last_chunk::<HASH>().ok_or(CompiledFault::Foreign)?;
        let end = content.len();
        let hash = parse(content)?;
        // blake3's hashes compare in constant time.
        if blake3::keyed_hash(key, content) != *tag {
            return Err(CompiledFault::Tag.into());
        }
        Ok(Self::compiled(bytes, end, hash))
    }

    /// Takes what [`PythonExecutor::to_compiled`] has made.
    ///
    /// Loading copies it once; runs cannot [count fuel](crate::ResourceLimits::fuel).
    ///
    /// # Safety
    /// The code is run as it is: the bytes must be what `to_compiled` gave, unchanged.
    ///
    /// # Errors
    /// [`Error::Compiled`] if they are obviously something else.
    pub unsafe fn from_compiled(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, Error> {
        let bytes = bytes_of(bytes.into());
        let (end, hash) = (bytes.len(), parse(&bytes)?);
        Ok(Self::compiled(bytes, end, hash))
    }

    fn compiled(bytes: Bytes, end: usize, hash: [u8; HASH]) -> Self {
        let origin = "the compiled runtime given as bytes".into();
        Self { content: Content::Compiled { bytes, end }, hash, origin }
    }
}

/// What a runtime is loaded from.
#[derive(Clone)]
pub(crate) enum Content {
    Component(Bytes),
    /// Trusted; behind `end` there is a tag.
    Compiled {
        bytes: Bytes,
        end: usize,
    },
}

impl Content {
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Component(bytes) | Self::Compiled { bytes, .. } => bytes,
        }
    }
}

/// Shared, so that clones cost nothing.
pub(crate) fn bytes_of(bytes: Cow<'static, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

/// The native code in what [`parse`] has accepted.
pub(crate) fn code(bytes: &[u8], end: usize) -> &[u8] {
    bytes.get(HEADER..end).unwrap_or_default()
}

/// The runtime's hash.
fn parse(bytes: &[u8]) -> Result<[u8; HASH], CompiledFault> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(CompiledFault::Foreign)?;
    let (format, rest) = rest.split_first_chunk().ok_or(CompiledFault::Foreign)?;
    let (hash, _) = rest.split_first_chunk().ok_or(CompiledFault::Foreign)?;
    if magic == MAGIC && *format == FORMAT { Ok(*hash) } else { Err(CompiledFault::Foreign) }
}
