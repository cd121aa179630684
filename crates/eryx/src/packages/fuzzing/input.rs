/// Bytes that are taken for whatever is wanted; zeros when they are used up.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// Now and then one of these, mostly the first.
    pub(super) fn seldom<T: Copy>(&mut self, all: &[T]) -> T {
        let byte = self.byte();
        if byte < 230 { all[0] } else { all[usize::from(byte - 230) % all.len()] }
    }

    /// A few bytes, or many of a kind.
    pub(super) fn content(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte());
        if length >= 200 {
            return vec![self.byte(); (length - 199) * 300];
        }
        let (taken, rest) = self.0.split_at((length % 20).min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}
