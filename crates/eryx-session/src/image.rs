use crate::SnapshotMetadata;
use crate::envelope::{self, Contents, Kind};
use eryx_core::{Error, Image, SeededHost, SnapshotError};
use std::fmt;

/// The most bytes that an image may have when it is kept: 512 MiB.
pub const MAX_IMAGE_SIZE: usize = 512 << 20;

/// All of a session: variables and what cannot be saved by value too, as
/// generators in mid-flight, coroutines, tasks and their timers, and state that
/// C modules hold.
///
/// It fits the runtime that made it, in any process on any machine, and nothing
/// else: [`PythonStateSnapshot`](crate::PythonStateSnapshot) is for what is to
/// outlive an update. Files are in it if that is asked for, otherwise only which were
/// open and where: they are opened again. Connections are closed, and calls of the
/// host that were under way fail.
#[derive(Clone, PartialEq, Eq)]
pub struct PythonImageSnapshot {
    image: Image,
    /// Empty if there are none.
    files: Vec<u8>,
    metadata: SnapshotMetadata,
    /// How many runs the session had had: programs are named by that.
    runs: u64,
}

impl PythonImageSnapshot {
    pub(crate) fn new(image: Image, runs: u64) -> Result<Self, Error> {
        let size = image.content().len();
        if size > MAX_IMAGE_SIZE {
            let (size, limit) = (size as u64, MAX_IMAGE_SIZE as u64);
            return Err(Error::Snapshot(SnapshotError::TooLarge { size, limit }));
        }
        let metadata = SnapshotMetadata::now(size, image.runtime());
        Ok(Self { image, files: Vec::new(), metadata, runs })
    }

    /// The same with files, which are kept as they are: whoever restores has to
    /// make something of them, and to expect anything.
    #[must_use]
    pub fn with_files(mut self, files: Vec<u8>) -> Self {
        self.files = files;
        self
    }

    /// The files that go with it, if any do.
    pub fn files(&self) -> Option<&[u8]> {
        Some(&*self.files).filter(|files| !files.is_empty())
    }

    fn write(&self, key: Option<&[u8; 32]>) -> Vec<u8> {
        let mut data = self.runs.to_le_bytes().to_vec();
        let host = self.image.host().map(SeededHost::to_bytes);
        data.push(u8::from(host.is_some()));
        data.extend(host.into_iter().flatten());
        pack(&self.image, &mut data);
        let contents = Contents { files: &self.files, data: &data };
        envelope::write(Kind::Image, &self.metadata, contents, key)
    }

    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }

    /// When and by what it was made.
    pub fn metadata(&self) -> &SnapshotMetadata {
        &self.metadata
    }

    /// Bytes that it takes in memory. Kept, it is compressed.
    pub fn size(&self) -> usize {
        self.image.content().len()
    }

    /// Everything as bytes, compressed by LZ4, to be kept anywhere. Whoever can
    /// write there can make an image of their own: see
    /// [`to_bytes_with_key`](Self::to_bytes_with_key).
    pub fn to_bytes(&self) -> Vec<u8> {
        self.write(None)
    }

    /// As [`to_bytes`](Self::to_bytes), with a tag that only who has the key can
    /// make.
    pub fn to_bytes_with_key(&self, key: &[u8; 32]) -> Vec<u8> {
        self.write(Some(key))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. All of it is checked.
    ///
    /// # Errors
    /// [`SnapshotError`] says what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        Self::read(bytes, None)
    }

    /// Reads what [`to_bytes_with_key`](Self::to_bytes_with_key) wrote with this
    /// key, and nothing else.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); [`SnapshotError::Key`] without the
    /// right tag.
    pub fn from_bytes_with_key(bytes: &[u8], key: &[u8; 32]) -> Result<Self, SnapshotError> {
        Self::read(bytes, Some(key))
    }

    fn read(bytes: &[u8], key: Option<&[u8; 32]>) -> Result<Self, SnapshotError> {
        let limit = MAX_IMAGE_SIZE as u64;
        let (mut metadata, contents) = envelope::read(Kind::Image, bytes, limit, key)?;
        let Contents { files, data } = contents;
        let (runs, data) = data.split_first_chunk().ok_or(SnapshotError::Damaged)?;
        let runs = u64::from_le_bytes(*runs);
        let (host, data) = split_host(data)?;
        let image = unpack(metadata.runtime, data).ok_or(SnapshotError::Damaged)?;
        let image = image.with_host(host);
        metadata.size_bytes = image.content().len();
        Ok(Self { image, files: files.to_vec(), metadata, runs })
    }
}

impl fmt::Debug for PythonImageSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonImageSnapshot")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// The pages that WebAssembly's memory grows by, and the most that it has, in bytes.
const WASM_PAGE: u64 = 64 << 10;
const MOST_MEMORY: u64 = 4 << 30;

/// What LZ4 can make of a byte at most.
const MOST_OF_A_BYTE: usize = 256;

/// Where a seeded interpreter's time and chance stood: a byte that tells whether that
/// is there, and it.
fn split_host(data: &[u8]) -> Result<(Option<SeededHost>, &[u8]), SnapshotError> {
    match data.split_first() {
        Some((0, rest)) => Ok((None, rest)),
        Some((1, rest)) => {
            let (host, rest) = rest.split_first_chunk().ok_or(SnapshotError::Damaged)?;
            Ok((Some(SeededHost::from_bytes(host)?), rest))
        }
        _ => Err(SnapshotError::Damaged),
    }
}

/// Pages of memory, how many pages differ, their numbers, and what they hold,
/// compressed.
fn pack(image: &Image, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&image.memory_pages().to_le_bytes());
    let count = u32::try_from(image.pages().len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend(image.pages().iter().flat_map(|page| page.to_le_bytes()));
    bytes.extend(lz4_flex::block::compress(image.content()));
}

fn unpack(runtime: [u8; 32], bytes: &[u8]) -> Option<Image> {
    let (memory_pages, rest) = bytes.split_first_chunk::<4>()?;
    let memory_pages = u32::from_le_bytes(*memory_pages);
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (numbers, compressed) = rest.split_at_checked(count.checked_mul(4)?)?;
    let size = count.checked_mul(Image::PAGE)?;
    // Before there is room made for it.
    let memory = u64::from(memory_pages) * WASM_PAGE;
    let most = usize::try_from(memory.min(MOST_MEMORY)).ok()?.min(MAX_IMAGE_SIZE);
    if size > most.min(compressed.len().saturating_mul(MOST_OF_A_BYTE)) {
        return None;
    }
    let (numbers, _) = numbers.as_chunks::<4>();
    let pages = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
    let content = lz4_flex::block::decompress(compressed, size).ok()?;
    Image::from_parts(runtime, memory_pages, pages, content).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What says that it is more than the memory it is of is not unpacked.
    #[test]
    fn an_image_is_no_more_than_its_memory() {
        let count: u32 = 1 << 24;
        let length = 8 + count as usize * (4 + Image::PAGE / MOST_OF_A_BYTE);
        let mut bytes = vec![0; length];
        for memory_pages in [1_u32, u32::MAX] {
            bytes[..4].copy_from_slice(&memory_pages.to_le_bytes());
            bytes[4..8].copy_from_slice(&count.to_le_bytes());
            assert_eq!(unpack([0; 32], &bytes), None);
        }
    }
}
