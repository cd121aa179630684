use eryx_core::Undo;

/// Puts files back when it is dropped, also where a future is dropped in the midst of
/// what was to come of them.
pub(crate) struct Undoing(Option<Undo>);

impl Undoing {
    pub(crate) fn of(undo: Option<Undo>) -> Self {
        Self(undo)
    }

    /// Leaves them as they are now.
    pub(crate) fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for Undoing {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}
