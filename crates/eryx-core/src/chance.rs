//! What a seed makes of the host's time and random numbers, and where both stand.

use crate::SnapshotError;
use crate::clock::VIRTUAL_END;
use crate::seed::Seed;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Infallible, SeedableRng, TryRng};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Key = [u8; 32];

/// The random numbers of a seeded interpreter. All of them follow from its key,
/// which copies have one each of.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    seed: Seed,
    key: Key,
    secure: Source,
    insecure: Source,
    /// How many copies were made that have a chance of their own.
    copies: u64,
}

impl Chance {
    pub(crate) fn of(seed: Seed) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(&seed.bytes("host", 32));
        let (secure, insecure) = (Source::new(&key, "secure"), Source::new(&key, "insecure"));
        Self { seed, key, secure, insecure, copies: 0 }
    }

    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    pub(crate) fn secure(&self) -> Source {
        self.secure.clone()
    }

    pub(crate) fn insecure(&self) -> Source {
        self.insecure.clone()
    }

    /// Random bytes for one use of them.
    pub(crate) fn bytes(&self, purpose: &str) -> Key {
        derived(&self.key, purpose)
    }

    /// Counts a copy that gets a chance of its own.
    pub(crate) fn count_copy(&mut self) -> u64 {
        self.copies += 1;
        self.copies
    }

    pub(crate) fn standing(&self, now: u64) -> SeededHost {
        let (key, copies) = (self.key, self.copies);
        SeededHost {
            now,
            key,
            secure: self.secure.position(),
            insecure: self.insecure.position(),
            copies,
        }
    }

    /// Who has taken numbers from here goes on from there too.
    pub(crate) fn go_on(&mut self, host: &SeededHost) {
        (self.key, self.copies) = (host.key, host.copies);
        self.secure.go_on(&host.key, "secure", host.secure);
        self.insecure.go_on(&host.key, "insecure", host.insecure);
    }
}

/// Random numbers that all clones take from the same place.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<ChaCha20Rng>>);

impl Source {
    fn new(key: &Key, purpose: &str) -> Self {
        Self(Arc::new(Mutex::new(generator(key, purpose))))
    }

    /// A panic of another thread cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, ChaCha20Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many words were taken. Nobody lives to take 2^64.
    fn position(&self) -> u64 {
        u64::try_from(self.lock().get_word_pos()).unwrap_or(u64::MAX)
    }

    fn go_on(&self, key: &Key, purpose: &str, position: u64) {
        let mut generator = generator(key, purpose);
        generator.set_word_pos(position.into());
        *self.lock() = generator;
    }
}

impl TryRng for Source {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.lock().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.lock().try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.lock().try_fill_bytes(bytes)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

fn generator(key: &Key, purpose: &str) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(derived(key, purpose))
}

fn derived(key: &Key, purpose: &str) -> Key {
    *blake3::keyed_hash(key, purpose.as_bytes()).as_bytes()
}

/// Where time and chance of the host stand for an interpreter that was
/// [seeded](Seed): goes with an [`Image`](crate::Image), so that a copy goes on from
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeededHost {
    /// Nanoseconds since the start of the first interpreter.
    now: u64,
    key: Key,
    /// Words that were taken.
    secure: u64,
    insecure: u64,
    copies: u64,
}

impl SeededHost {
    /// How many bytes it is kept as.
    pub const SIZE: usize = 64;

    /// At the same time, with a chance of its own: that of the copy with this number.
    pub(crate) fn copied(&self, number: u64) -> Self {
        let Self { now, key, secure, insecure, .. } = self;
        let key = derived(key, &format!("copy {number} after {secure} and {insecure}"));
        Self { now: *now, key, secure: 0, insecure: 0, copies: 0 }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// As bytes, little-endian.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let numbers = [self.now, self.secure, self.insecure, self.copies];
        let fields = numbers.iter().flat_map(|number| number.to_le_bytes()).chain(self.key);
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] for a time that cannot be.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Result<Self, SnapshotError> {
        let (words, _) = bytes.as_chunks::<8>();
        let numbers = words.first_chunk::<4>().map(|words| words.map(u64::from_le_bytes));
        let (Some([now, secure, insecure, copies]), Some(key)) = (numbers, bytes.last_chunk())
        else {
            return Err(SnapshotError::Damaged);
        };
        if now > VIRTUAL_END {
            return Err(SnapshotError::Damaged);
        }
        Ok(Self { now, key: *key, secure, insecure, copies })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use proptest::prelude::*;

    fn taken(source: &mut Source, sizes: &[usize]) -> Vec<u8> {
        let mut all = Vec::new();
        for size in sizes {
            let mut bytes = vec![0; *size];
            let Ok(()) = source.try_fill_bytes(&mut bytes);
            all.extend(bytes);
        }
        all
    }

    proptest! {
        #[test]
        fn another_goes_on_where_one_stands(
            before in prop::collection::vec(0..300_usize, 0..6),
            after in prop::collection::vec(0..300_usize, 0..6),
        ) {
            let one = Chance::of(Seed(1));
            taken(&mut one.secure(), &before);
            let host = SeededHost::from_bytes(&one.standing(5).to_bytes()).unwrap();
            prop_assert_eq!(&host, &one.standing(5));
            let mut other = Chance::of(Seed(2));
            // Handed out before.
            let mut source = other.secure();
            other.go_on(&host);
            prop_assert_eq!(taken(&mut one.secure(), &after), taken(&mut source, &after));
            prop_assert_eq!(one.bytes("program"), other.bytes("program"));
        }
    }

    #[test]
    fn copies_have_chances_of_their_own() {
        let mut original = Chance::of(Seed(1));
        let first = original.standing(0).copied(original.count_copy());
        let second = original.standing(0).copied(original.count_copy());
        let of_first = first.copied(1);
        let mut seen = vec![taken(&mut original.secure(), &[16])];
        for host in [first, second, of_first] {
            let mut copy = Chance::of(Seed(1));
            copy.go_on(&host);
            seen.push(taken(&mut copy.secure(), &[16]));
            seen.push(taken(&mut copy.insecure(), &[16]));
        }
        for (number, one) in seen.iter().enumerate() {
            assert!(!seen[..number].contains(one), "{seen:?}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_refused() {
        let mut bytes = Chance::of(Seed(1)).standing(0).to_bytes();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(SeededHost::from_bytes(&bytes), Err(SnapshotError::Damaged));
    }
}
