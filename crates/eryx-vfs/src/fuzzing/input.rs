/// Bytes that are taken for whatever is wanted; zeros when they are used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What all of it is taken for, a hundred things at most.
    pub(crate) fn all<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        let mut all = Vec::new();
        while !self.is_empty() && all.len() < 100 {
            all.push(one(self));
        }
        all
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below 200,000 that is often at the edge of a block.
    pub(crate) fn offset(&mut self) -> u64 {
        let fine = u64::from(self.byte());
        (u64::from(self.byte()) % 4 * 65_536 + fine).saturating_sub(128)
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
