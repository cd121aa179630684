use std::fmt;

/// What makes a run's chance and time the same each time.
///
/// Two runs of the same code with the same seed, callbacks that answer the same
/// and the same limits print the same, are traced alike and use the same fuel, on
/// every machine. Their clock starts in 2020, advances a microsecond at each look and
/// by what the program sleeps, and goes on from run to run of an interpreter that
/// lasts, and where that is copied. The times of its own files are by that clock, too.
///
/// What is not the run's own is not made the same:
/// - Files that were mounted: those of a storage that others may have, too, have their
///   times from the host's clock, those of a volume from its file system.
/// - What the network answers.
/// - Limits in wall time, and the stack's, which is counted in bytes of the machine's
///   own: a run that reaches one ends wherever it is then.
/// - The sign and the payload of a NaN that comes out of arithmetic are the
///   processor's. It is `nan` wherever it is printed; `math.copysign` and
///   `struct.pack` show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// Random bytes for one use of them.
    pub(crate) fn bytes(self, purpose: &str, length: usize) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new_derive_key("eryx deterministic run");
        hasher.update(&self.0.to_le_bytes()).update(purpose.as_bytes());
        let mut bytes = vec![0; length];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
