use crate::limits::OutputPolicy;

/// Bytes of one output stream, up to a limit.
#[derive(Debug)]
pub(crate) struct OutputBudget {
    bytes: Vec<u8>,
    limit: u64,
    truncated: bool,
}

/// The limit was reached and the embedder wants the run to end.
#[derive(Debug, thiserror::Error)]
#[error("the output limit was reached")]
pub(crate) struct OutputFull;

impl OutputBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit, truncated: false }
    }

    /// Keeps what fits.
    pub(crate) fn write(&mut self, bytes: &[u8], policy: OutputPolicy) -> Result<(), OutputFull> {
        let used = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let room = usize::try_from(self.limit.saturating_sub(used)).unwrap_or(usize::MAX);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        if kept.len() == bytes.len() {
            return Ok(());
        }
        self.truncated = true;
        match policy {
            OutputPolicy::Truncate => Ok(()),
            OutputPolicy::Stop => Err(OutputFull),
        }
    }

    /// What was kept, and whether anything was not.
    pub(crate) fn take(&mut self) -> (Vec<u8>, bool) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.truncated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_and_says_so() {
        let mut budget = OutputBudget::new(5);
        assert!(budget.write(b"abc", OutputPolicy::Truncate).is_ok());
        assert!(budget.write(b"def", OutputPolicy::Truncate).is_ok());
        assert!(budget.write(b"g", OutputPolicy::Stop).is_err());
        assert_eq!(budget.take(), (b"abcde".to_vec(), true));
    }

    #[test]
    fn exactly_full_is_not_truncated() {
        let mut budget = OutputBudget::new(3);
        assert!(budget.write(b"abc", OutputPolicy::Stop).is_ok());
        assert_eq!(budget.take(), (b"abc".to_vec(), false));
    }

    #[test]
    fn the_largest_limit_does_not_overflow() {
        let mut budget = OutputBudget::new(u64::MAX);
        assert!(budget.write(b"abc", OutputPolicy::Stop).is_ok());
        assert_eq!(budget.take().0, b"abc");
    }
}
