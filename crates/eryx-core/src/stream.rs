use bytes::Bytes;

/// Where a program printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Descriptor 1, `sys.stdout`.
    Stdout,
    /// Descriptor 2, `sys.stderr`.
    Stderr,
}

/// Something the program printed, as it is printed: see
/// [`ExecuteBuilder::with_output_streaming`](crate::ExecuteBuilder::with_output_streaming).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputRequest {
    /// Where to.
    pub stream: OutputStream,
    /// What. Chunks end anywhere, in the middle of a character too.
    pub bytes: Bytes,
}
