//! A snapshot as bytes: magic, format, kind, whether it is keyed, runtime, Python,
//! time, length, contents, a BLAKE3 over all of that, and if it is keyed another one,
//! with the key. Integers are little-endian. The contents are the length of the files,
//! those, and the data.
//!
//! Only one format is read: whatever is changed here makes a new one.

use crate::SnapshotMetadata;
use eryx_core::{PYTHON_VERSION, SnapshotError};
use std::cmp::Ordering;

const MAGIC: &[u8; 8] = b"eryxsnap";
const FORMAT: u16 = 4;
const HASH: usize = 32;

/// Magic, format, kind, keyed, runtime, Python, time, length.
const HEADER: usize = 8 + 2 + 1 + 1 + 32 + 8 + 8 + 8;

/// The length of the files.
const FILES: usize = 8;

/// What is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contents<'a> {
    /// Empty if there are none.
    pub(crate) files: &'a [u8],
    pub(crate) data: &'a [u8],
}

/// What is in an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    State = 1,
    Image = 2,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::State, Self::Image].into_iter().find(|kind| *kind as u8 == number)
    }

    fn name(self) -> &'static str {
        match self {
            Self::State => "a snapshot of variables",
            Self::Image => "an image of a whole interpreter",
        }
    }
}

pub(crate) fn write(
    kind: Kind,
    metadata: &SnapshotMetadata,
    contents: Contents<'_>,
    key: Option<&[u8; 32]>,
) -> Vec<u8> {
    let Contents { files, data } = contents;
    let length = FILES + files.len() + data.len();
    let mut bytes = Vec::with_capacity(HEADER + length + HASH);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[kind as u8, u8::from(key.is_some())]);
    bytes.extend_from_slice(&metadata.runtime);
    let mut version = [0; 8];
    let text = metadata.python_version.as_bytes();
    for (to, from) in version.iter_mut().zip(text) {
        *to = *from;
    }
    bytes.extend_from_slice(&version);
    bytes.extend_from_slice(&metadata.timestamp_ms.to_le_bytes());
    bytes.extend_from_slice(&(length as u64).to_le_bytes());
    bytes.extend_from_slice(&(files.len() as u64).to_le_bytes());
    bytes.extend_from_slice(files);
    bytes.extend_from_slice(data);
    seal(&mut bytes, key);
    bytes
}

/// Adds the hash, which tells damage, and the tag, which tells who made it.
fn seal(bytes: &mut Vec<u8>, key: Option<&[u8; 32]>) {
    let hash = blake3::hash(bytes);
    let tag = key.map(|key| blake3::keyed_hash(key, bytes));
    bytes.extend_from_slice(hash.as_bytes());
    bytes.extend(tag.iter().flat_map(blake3::Hash::as_bytes));
}

/// What is known of the contents, and those, of which there may be `limit` bytes.
pub(crate) fn read<'a>(
    expected_kind: Kind,
    bytes: &'a [u8],
    limit: u64,
    key: Option<&[u8; 32]>,
) -> Result<(SnapshotMetadata, Contents<'a>), SnapshotError> {
    if !bytes.starts_with(MAGIC) {
        return Err(SnapshotError::Foreign);
    }
    let found = bytes.len() as u64;
    let smallest = (HEADER + HASH) as u64;
    let cut = |expected| SnapshotError::Truncated { expected, found };
    let mut rest = Fields(bytes.get(MAGIC.len()..).unwrap_or_default());
    let format = u16::from_le_bytes(rest.take().ok_or_else(|| cut(smallest))?);
    match format.cmp(&FORMAT) {
        Ordering::Less => return Err(SnapshotError::Older { found: format, known: FORMAT }),
        Ordering::Greater => return Err(SnapshotError::Newer { found: format, known: FORMAT }),
        Ordering::Equal => {}
    }
    let [kind, keyed] = rest.take().ok_or_else(|| cut(smallest))?;
    let runtime = rest.take::<32>().ok_or_else(|| cut(smallest))?;
    let version = rest.take::<8>().ok_or_else(|| cut(smallest))?;
    let timestamp_ms = u64::from_le_bytes(rest.take().ok_or_else(|| cut(smallest))?);
    let length = u64::from_le_bytes(rest.take().ok_or_else(|| cut(smallest))?);
    let kind = Kind::of(kind).ok_or(SnapshotError::Damaged)?;
    if kind != expected_kind {
        return Err(SnapshotError::Kind { found: kind.name(), expected: expected_kind.name() });
    }
    if length > limit.saturating_add(FILES as u64) {
        return Err(SnapshotError::TooLarge { size: length, limit });
    }
    let is_keyed = match keyed {
        0 => false,
        1 => true,
        _ => return Err(SnapshotError::Damaged),
    };
    let expected = smallest + length + if is_keyed { HASH as u64 } else { 0 };
    if found < expected {
        return Err(cut(expected));
    }
    let (rest, tag) = match bytes.split_last_chunk::<HASH>() {
        Some((rest, tag)) if is_keyed => (rest, Some(tag)),
        _ => (bytes, None),
    };
    let Some((content, hash)) = rest.split_last_chunk::<HASH>() else {
        return Err(cut(smallest));
    };
    if found != expected || blake3::hash(content) != *hash {
        return Err(SnapshotError::Damaged);
    }
    check_tag(content, tag, key)?;
    let python_version: String = version.iter().map(|byte| char::from(*byte)).collect();
    let python_version = python_version.trim_end_matches('\0').to_owned();
    check_python(&python_version)?;
    let contents = split(content.get(HEADER..).unwrap_or_default());
    let contents = contents.ok_or(SnapshotError::Damaged)?;
    let size_bytes = contents.data.len();
    let metadata = SnapshotMetadata { timestamp_ms, size_bytes, runtime, python_version };
    Ok((metadata, contents))
}

fn split(bytes: &[u8]) -> Option<Contents<'_>> {
    let (length, rest) = bytes.split_first_chunk::<FILES>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (files, data) = rest.split_at_checked(length)?;
    Some(Contents { files, data })
}

/// The data has byte code in it, which is one version's.
pub(crate) fn check_python(version: &str) -> Result<(), SnapshotError> {
    if version == PYTHON_VERSION {
        return Ok(());
    }
    let found = version.escape_debug().to_string();
    Err(SnapshotError::Python { found, expected: PYTHON_VERSION })
}

/// Who has a key takes what was tagged with it, and who has none what needs none.
fn check_tag(
    content: &[u8],
    tag: Option<&[u8; HASH]>,
    key: Option<&[u8; 32]>,
) -> Result<(), SnapshotError> {
    match (tag, key) {
        (None, None) => Ok(()),
        // blake3's hashes compare in constant time.
        (Some(tag), Some(key)) if blake3::keyed_hash(key, content) == *tag => Ok(()),
        (Some(_), Some(_)) => Err(SnapshotError::Key("the snapshot was tagged with another key")),
        (None, Some(_)) => Err(SnapshotError::Key("the snapshot carries no tag")),
        (Some(_), None) => Err(SnapshotError::Key("the snapshot can be read only with its key")),
    }
}

/// Reads fixed-size fields from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::{PythonImageSnapshot, PythonStateSnapshot};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn of(data: &[u8]) -> Contents<'_> {
        Contents { files: &[], data }
    }

    fn snapshot() -> PythonStateSnapshot {
        PythonStateSnapshot::new(b"some data".to_vec(), [7; 32])
    }

    #[test]
    fn what_was_written_is_read() {
        let one = snapshot();
        assert_eq!(PythonStateSnapshot::from_bytes(&one.to_bytes()).unwrap(), one);
        let key = [3; 32];
        let bytes = one.to_bytes_with_key(&key);
        assert_eq!(PythonStateSnapshot::from_bytes_with_key(&bytes, &key).unwrap(), one);
    }

    #[test]
    fn each_fault_has_its_own_error() {
        use SnapshotError as E;
        let bytes = snapshot().to_bytes();
        let read = PythonStateSnapshot::from_bytes;
        assert!(matches!(read(b""), Err(E::Foreign)));
        assert!(matches!(read(b"PK\x03\x04 something"), Err(E::Foreign)));
        assert!(matches!(read(&bytes[..9]), Err(E::Truncated { .. })));
        assert!(matches!(read(&bytes[..bytes.len() - 1]), Err(E::Truncated { .. })));
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(read(&longer), Err(E::Damaged)));
        let mut newer = bytes.clone();
        newer[8] = 9;
        assert!(matches!(read(&newer), Err(E::Newer { found: 9, known: 4 })));
        let older = sealed(&bytes, |bytes| bytes[8] = 3);
        assert!(matches!(read(&older), Err(E::Older { found: 3, known: 4 })));
        // What stands behind the version's end is a part of it.
        let version = sealed(&bytes, |bytes| bytes[51] = b'a');
        assert!(matches!(read(&version), Err(E::Python { .. })));
        let mut huge = bytes.clone();
        huge[60..68].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(read(&huge), Err(E::TooLarge { size: u64::MAX, .. })));
        let mut changed = bytes.clone();
        changed[HEADER] ^= 1;
        assert!(matches!(read(&changed), Err(E::Damaged)));

        let keyed = snapshot().to_bytes_with_key(&[1; 32]);
        // Damage is told before the key is looked at, whichever that is.
        let mut damaged = keyed.clone();
        damaged[HEADER] ^= 1;
        for key in [[1; 32], [2; 32]] {
            let read = PythonStateSnapshot::from_bytes_with_key(&damaged, &key);
            assert!(matches!(read, Err(E::Damaged)), "{read:?}");
        }
        assert!(matches!(read(&damaged), Err(E::Damaged)));
        // Who has not the key can make the hash fit, and no more.
        let forged = {
            let content = damaged.len() - 2 * HASH;
            let hash = blake3::hash(&damaged[..content]);
            damaged[content..content + HASH].copy_from_slice(hash.as_bytes());
            PythonStateSnapshot::from_bytes_with_key(&damaged, &[1; 32])
        };
        assert!(matches!(forged, Err(E::Key(_))), "{forged:?}");
        let with_key = |bytes| PythonStateSnapshot::from_bytes_with_key(bytes, &[2; 32]);
        let image = write(Kind::Image, snapshot().metadata(), of(b""), None);
        let faults = [
            read(b""),
            read(&bytes[..9]),
            read(&newer),
            read(&older),
            read(&version),
            read(&huge),
            read(&changed),
            read(&image),
            read(&keyed),
            with_key(&keyed),
            with_key(&bytes),
        ];
        for fault in &faults[faults.len() - 3..] {
            assert!(matches!(fault, Err(E::Key(_))), "{fault:?}");
        }
        let messages: HashSet<_> =
            faults.iter().map(|fault| fault.as_ref().unwrap_err().to_string()).collect();
        assert_eq!(messages.len(), faults.len(), "{messages:#?}");
    }

    /// The same with a change, and with the tag that belongs to that.
    fn sealed(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = bytes[..bytes.len() - HASH].to_vec();
        change(&mut bytes);
        seal(&mut bytes, None);
        bytes
    }

    #[test]
    fn files_go_with_it() {
        let one = snapshot().with_files(vec![1, 2, 3]);
        let read = PythonStateSnapshot::from_bytes(&one.to_bytes()).unwrap();
        assert_eq!(read, one);
        assert_eq!(read.files(), Some(&[1, 2, 3][..]));
        assert_eq!(snapshot().files(), None);
    }

    #[test]
    fn an_image_is_no_state() {
        let bytes = write(Kind::Image, snapshot().metadata(), of(b""), None);
        let read = PythonStateSnapshot::from_bytes(&bytes);
        assert!(matches!(read, Err(SnapshotError::Kind { .. })), "{read:?}");
        let read = PythonImageSnapshot::from_bytes(&snapshot().to_bytes());
        assert!(matches!(read, Err(SnapshotError::Kind { .. })), "{read:?}");
    }

    #[test]
    fn another_python_is_told() {
        let one = snapshot();
        let metadata = SnapshotMetadata { python_version: "3.14".into(), ..one.metadata().clone() };
        let bytes = write(Kind::State, &metadata, of(one.data()), None);
        let read = PythonStateSnapshot::from_bytes(&bytes);
        assert!(matches!(read, Err(SnapshotError::Python { .. })), "{read:?}");
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused(at in 0_usize..100, bit in 0_u8..8, cut in 0_usize..120) {
            let bytes = snapshot().to_bytes();
            let mut changed = bytes.clone();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            prop_assert!(PythonStateSnapshot::from_bytes(&changed).is_err());
            let cut = cut % bytes.len();
            prop_assert!(PythonStateSnapshot::from_bytes(&bytes[..cut]).is_err());
        }

        #[test]
        fn anything_can_be_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut framed = MAGIC.to_vec();
            framed.extend_from_slice(&bytes);
            prop_assert!(PythonStateSnapshot::from_bytes(&framed).is_err());
            prop_assert!(PythonStateSnapshot::from_bytes(&bytes).is_err());
        }
    }
}
