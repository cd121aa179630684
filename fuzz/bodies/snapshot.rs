//! What holds for any bytes as a snapshot. Only the public face of `eryx-session` is
//! used; envelopes are written here once more, so that any contents come in a valid one.

use eryx_session::{PythonImageSnapshot, PythonStateSnapshot};
use std::fmt::Debug;

type Key = [u8; 32];

const KEY: Key = [7; 32];
const OTHER_KEY: Key = [8; 32];

/// Bytes before the contents of an envelope, and of the hash and the tag after them.
const HEADER: usize = 68;
const HASH: usize = 32;

/// Bytes of a page of an image, and how many of those WebAssembly's pages have.
const PAGE: usize = 4096;
const PAGES: u32 = 16;

/// A snapshot is refused, or it is what was written.
pub(crate) fn snapshot(bytes: &[u8]) {
    any::<PythonStateSnapshot>(bytes);
    any::<PythonImageSnapshot>(bytes);
    let mut input = Input(bytes);
    match input.byte() % 4 {
        0 | 1 => state(&mut input),
        2 => image(&mut input),
        _ => compressed(&mut input),
    }
}

/// The two kinds of snapshots.
trait Kept: Sized + PartialEq + Debug {
    const KIND: u8;
    fn read(bytes: &[u8], key: Option<&Key>) -> Option<Self>;
    fn write(&self, key: Option<&Key>) -> Vec<u8>;
    /// Time and runtime.
    fn made(&self) -> (u64, [u8; 32]);
}

macro_rules! kept {
    ($kept:ident, $kind:literal) => {
        impl Kept for $kept {
            const KIND: u8 = $kind;

            fn read(bytes: &[u8], key: Option<&Key>) -> Option<Self> {
                match key {
                    Some(key) => Self::from_bytes_with_key(bytes, key).ok(),
                    None => Self::from_bytes(bytes).ok(),
                }
            }

            fn write(&self, key: Option<&Key>) -> Vec<u8> {
                key.map_or_else(|| self.to_bytes(), |key| self.to_bytes_with_key(key))
            }

            fn made(&self) -> (u64, [u8; 32]) {
                assert_eq!(self.metadata().size_bytes, self.size());
                assert_eq!(self.metadata().python_version, "3.13");
                (self.metadata().timestamp_ms, self.metadata().runtime)
            }
        }
    };
}

kept!(PythonStateSnapshot, 1);
kept!(PythonImageSnapshot, 2);

/// Bytes that anybody sent.
fn any<S: Kept>(bytes: &[u8]) {
    for key in [None, Some(&KEY)] {
        if let Some(read) = S::read(bytes, key) {
            written(&read, key);
        }
    }
}

/// What a snapshot is written as, which is read with the same key only.
fn written<S: Kept>(snapshot: &S, key: Option<&Key>) -> Vec<u8> {
    let bytes = snapshot.write(key);
    assert_eq!(S::read(&bytes, key).as_ref(), Some(snapshot));
    assert_eq!(S::read(&bytes, Some(&OTHER_KEY)), None);
    assert_eq!(S::read(&bytes, key.xor(Some(&KEY))), None);
    bytes
}

/// Variables: all is known of any contents.
fn state(input: &mut Input<'_>) {
    let envelope = Envelope::decode::<PythonStateSnapshot>(input);
    let contents = match input.byte() {
        0..50 => input.0.to_vec(),
        length => contents_of(input.bytes(length.into()), input.0),
    };
    let known = split(&contents).filter(|_| envelope.is_valid::<PythonStateSnapshot>());
    let read = envelope.check::<PythonStateSnapshot>(&contents);
    assert_eq!(read.is_some(), known.is_some(), "{envelope:?} of {contents:?}");
    let (Some((read, bytes)), Some((files, data))) = (read, known) else { return };
    assert_eq!((read.files().unwrap_or_default(), read.data()), (files, data));
    assert_eq!(bytes, envelope.seal(&contents));
}

/// An image of which all is known.
fn image(input: &mut Input<'_>) {
    let envelope = Envelope::decode::<PythonImageSnapshot>(input);
    let image = Image::decode(input);
    let files = input.bytes(20);
    let (host, is_host) = host(input);
    let data = with_host(&host, &image.packed());
    let read = envelope.check::<PythonImageSnapshot>(&contents_of(files, &data));
    let valid = envelope.is_valid::<PythonImageSnapshot>() && !image.damaged && is_host;
    assert_eq!(read.is_some(), valid, "{envelope:?} of {image:?}");
    let Some((read, bytes)) = read else { return };
    assert_eq!(read.files().unwrap_or_default(), files);
    assert_eq!(read.size(), image.pages.len() * PAGE);
    let start = HEADER + 8 + files.len() + 8 + host.len();
    let end = bytes.len() - HASH * if envelope.key.is_some() { 2 } else { 1 };
    let packed = &bytes[start..end];
    let (numbers, content) = packed.split_at(8 + 4 * image.pages.len());
    assert_eq!(numbers, &image.packed()[..numbers.len()]);
    let content = lz4_flex::block::decompress(content, read.size()).unwrap();
    assert!(content == image.content(), "{image:?} has another content");
}

/// An image whose content is any bytes.
fn compressed(input: &mut Input<'_>) {
    let envelope = Envelope::decode::<PythonImageSnapshot>(input);
    let count = u32::from(input.byte() % 8);
    let claimed = if input.byte() < 20 { u32::from_le_bytes([input.byte(); 4]) } else { count };
    let mut packed = [1_u32.to_le_bytes(), claimed.to_le_bytes()].concat();
    packed.extend((0..count).flat_map(u32::to_le_bytes));
    packed.extend_from_slice(input.0);
    let contents = contents_of(&[], &with_host(&[0], &packed));
    if let Some((read, _)) = envelope.check::<PythonImageSnapshot>(&contents) {
        assert_eq!(read.size(), PAGE * usize::try_from(claimed).unwrap());
        assert!(read.size() <= packed.len() * 256, "{} of {}", read.size(), packed.len());
    }
}

/// What stands before and after contents.
#[derive(Debug)]
struct Envelope {
    format: u16,
    kind: u8,
    keyed: u8,
    runtime: [u8; 32],
    python: [u8; 8],
    time: u64,
    /// By how much its length is wrong.
    off: u64,
    key: Option<&'static Key>,
    /// Which byte is changed, and how.
    change: (usize, u8),
}

impl Envelope {
    fn decode<S: Kept>(input: &mut Input<'_>) -> Self {
        let keyed = input.byte() & 1;
        let valid = Self {
            format: 4,
            kind: S::KIND,
            keyed,
            runtime: [input.byte(); 32],
            python: *b"3.13\0\0\0\0",
            time: input.wide(),
            off: 0,
            key: (keyed == 1).then_some(&KEY),
            change: (usize::from(input.byte()) << 8 | usize::from(input.byte()), input.byte() | 1),
        };
        match input.byte() {
            0..10 => Self { format: input.byte().into(), ..valid },
            10..15 => Self { format: 259, ..valid },
            15..20 => Self { kind: input.byte(), ..valid },
            20..25 => Self { keyed: input.byte(), ..valid },
            25..30 => Self { python: input.wide().to_le_bytes(), ..valid },
            30..35 => Self { python: *b"3.13\0\0\0a", ..valid },
            35..40 => Self { off: input.wide(), ..valid },
            40..50 => Self { off: u64::from(input.byte()).wrapping_sub(8), ..valid },
            50..60 => Self { format: 3, ..valid },
            _ => valid,
        }
    }

    fn is_valid<S: Kept>(&self) -> bool {
        let kind = self.kind == S::KIND && self.keyed == u8::from(self.key.is_some());
        kind && self.format == 4 && self.python == *b"3.13\0\0\0\0" && self.off == 0
    }

    /// With the tag that belongs to it: what is wrong is in it alone.
    fn seal(&self, contents: &[u8]) -> Vec<u8> {
        let length = u64::try_from(contents.len()).unwrap().wrapping_add(self.off);
        let mut bytes = b"eryxsnap".to_vec();
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&[self.kind, self.keyed]);
        bytes.extend_from_slice(&self.runtime);
        bytes.extend_from_slice(&self.python);
        bytes.extend_from_slice(&self.time.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(contents);
        let hash = blake3::hash(&bytes);
        let tag = self.key.map(|key| blake3::keyed_hash(key, &bytes));
        bytes.extend_from_slice(hash.as_bytes());
        bytes.extend(tag.iter().flat_map(blake3::Hash::as_bytes));
        bytes
    }

    /// What is read of it, if anything is, and that as it is written.
    fn check<S: Kept>(&self, contents: &[u8]) -> Option<(S, Vec<u8>)> {
        let sealed = self.seal(contents);
        let read = S::read(&sealed, self.key)?;
        assert_eq!(read.made(), (self.time, self.runtime));
        self.change::<S>(sealed);
        let written = written(&read, self.key);
        Some((read, written))
    }

    /// No change of one byte is accepted, nor fewer bytes, nor more; with all bytes if
    /// there are few.
    fn change<S: Kept>(&self, mut sealed: Vec<u8>) {
        let (place, difference) = self.change;
        let place = place % sealed.len();
        let places = if sealed.len() < 300 { 0..sealed.len() } else { place..place + 1 };
        for place in places {
            sealed[place] ^= difference;
            assert_eq!(S::read(&sealed, self.key), None, "changed at {place}");
            sealed[place] ^= difference;
            assert_eq!(S::read(&sealed[..place], self.key), None, "cut at {place}");
        }
        sealed.push(difference);
        assert_eq!(S::read(&sealed, self.key), None, "longer");
    }
}

/// Files and data.
fn contents_of(files: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u64::try_from(files.len()).unwrap();
    [&length.to_le_bytes(), files, data].concat()
}

/// The files and data that are in contents, whatever those are.
fn split(contents: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = contents.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Where a seeded interpreter stood, or nothing; and whether that can be.
fn host(input: &mut Input<'_>) -> (Vec<u8>, bool) {
    match input.byte() % 8 {
        0..4 => (vec![0], true),
        flag @ 4..7 => {
            let now = input.wide();
            let now = if flag == 4 { now } else { now >> 2 };
            let mut bytes = [&[1][..], &now.to_le_bytes()].concat();
            bytes.resize(1 + 64, input.byte());
            (bytes, now <= 1 << 62)
        }
        _ => (vec![2], false),
    }
}

/// The data of an image: how many runs there were, and what came of them.
fn with_host(host: &[u8], packed: &[u8]) -> Vec<u8> {
    [&9_u64.to_le_bytes(), host, packed].concat()
}

/// Pages of memory, and whether they can be those of an image.
#[derive(Debug)]
struct Image {
    memory_pages: u32,
    pages: Vec<u32>,
    /// How many there are said to be.
    count: u32,
    /// Bytes, each of them so many times.
    runs: Vec<(u8, usize)>,
    damaged: bool,
}

impl Image {
    fn decode(input: &mut Input<'_>) -> Self {
        let memory_pages = [1, 3, 100, 65_536][usize::from(input.byte()) % 4];
        let end = memory_pages * PAGES;
        let mut next = 0;
        let mut pages = Vec::new();
        for _ in 0..input.byte() % 6 {
            let page = next + u32::from(input.byte() / 16) % (end - next);
            pages.push(page);
            next = page + 1;
            if next == end {
                break;
            }
        }
        let mut left = pages.len() * PAGE;
        let mut runs = Vec::new();
        while left > 0 {
            let most = if input.byte() & 1 == 0 { 8 } else { 2 * PAGE };
            let length = (1 + (usize::from(input.byte()) << 5) % most).min(left);
            runs.push((input.byte(), length));
            left -= length;
        }
        let count = u32::try_from(pages.len()).unwrap();
        let valid = Self { memory_pages, pages, count, runs, damaged: false };
        valid.damage(input)
    }

    fn damage(mut self, input: &mut Input<'_>) -> Self {
        let end = self.memory_pages * PAGES;
        let (what, other) = (input.byte() % 16, usize::from(input.byte()));
        let damaged = match (what, self.pages.as_mut_slice(), self.runs.as_mut_slice()) {
            (0, [first, .., last], _) => {
                std::mem::swap(first, last);
                true
            }
            (1, [first, second, ..], _) => {
                *second = *first;
                true
            }
            (2, [.., last], _) => {
                *last = end;
                true
            }
            (3, [.., last], _) => {
                *last = u32::MAX;
                true
            }
            (4, ..) => {
                self.memory_pages = 65_537;
                true
            }
            (5, ..) => {
                self.count = u32::MAX;
                true
            }
            // One more than are there for, of nothing.
            (6, ..) => {
                self.runs.push((0, [1, PAGE][other % 2]));
                true
            }
            (7, _, [.., (_, length)]) => {
                *length -= 1;
                true
            }
            _ => false,
        };
        self.damaged = damaged;
        self
    }

    /// In LZ4's format: bytes as they are, and then the last of them so many times more.
    fn packed(&self) -> Vec<u8> {
        let mut packed = [self.memory_pages.to_le_bytes(), self.count.to_le_bytes()].concat();
        packed.extend(self.pages.iter().flat_map(|page| page.to_le_bytes()));
        let mut plain = Vec::new();
        for (byte, length) in &self.runs {
            match length.checked_sub(5) {
                None => plain.extend(vec![*byte; *length]),
                Some(more) => {
                    plain.push(*byte);
                    sequence(&std::mem::take(&mut plain), Some(more), &mut packed);
                }
            }
        }
        sequence(&plain, None, &mut packed);
        packed
    }

    fn content(&self) -> Vec<u8> {
        self.runs.iter().flat_map(|(byte, length)| vec![*byte; *length]).collect()
    }
}

/// Bytes as they are, and unless it is the end, the last of them four times and `more`.
fn sequence(plain: &[u8], more: Option<usize>, packed: &mut Vec<u8>) {
    let lengths = [plain.len(), more.unwrap_or(0)];
    let [upper, lower] = lengths.map(|length| u8::try_from(length.min(15)).unwrap());
    packed.push(upper << 4 | lower);
    rest(lengths[0], packed);
    packed.extend_from_slice(plain);
    if more.is_some() {
        packed.extend_from_slice(&[1, 0]);
        rest(lengths[1], packed);
    }
}

/// What of a length is too much for four bits.
fn rest(length: usize, packed: &mut Vec<u8>) {
    if let Some(more) = length.checked_sub(15) {
        packed.extend(vec![255; more / 255]);
        packed.push(u8::try_from(more % 255).unwrap());
    }
}

/// Bytes that are taken for whatever is wanted; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn wide(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
