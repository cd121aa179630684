use std::fmt;

/// What makes a run's chance and time the same each time.
///
/// Two runs of the same code with the same seed, callbacks that answer the same
/// and the same limits print the same, are traced alike and use the same fuel, on
/// every machine. Their clock starts in 2020, advances a microsecond at each look and
/// by what the program sleeps, and goes on from run to run of an interpreter that
/// lasts, and where that is copied. Limits in wall time still are the host's: a run that reaches one ends
/// wherever it is then.
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
