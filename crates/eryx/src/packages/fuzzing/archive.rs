//! Writes zip archives that do not have to be right.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::fmt;
use std::io::Write;

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    None,
    /// By so much it says to be longer.
    Size(u32),
    Checksum,
    Link,
    Encrypted,
    Method,
}

pub(super) struct Entry {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    pub(super) deflated: bool,
    pub(super) lie: Lie,
    /// Another name in an extra field, which counts if the checksum is that of the first.
    pub(super) renamed: Option<(&'static str, bool)>,
}

#[derive(Debug)]
pub(super) struct Zip {
    /// What stands before it.
    pub(super) before: &'static [u8],
    pub(super) entries: Vec<Entry>,
    /// How many entries more it says to have.
    pub(super) more: u16,
    pub(super) comment: &'static [u8],
}

impl Zip {
    pub(super) fn written(&self) -> Vec<u8> {
        let (mut files, mut directory) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let offset = long(files.len());
            let packed = entry.packed();
            let header = entry.header(packed.len());
            files.extend(b"PK\x03\x04\x14\0");
            files.extend(&header);
            files.extend([short(entry.name.len()), [0; 2]].concat());
            files.extend(entry.name.as_bytes());
            files.extend(packed);
            let extra = entry.extra();
            let mode: u32 = if entry.lie == Lie::Link { 0o120_777 } else { 0o100_644 };
            directory.extend(b"PK\x01\x02\x14\x03\x14\0");
            directory.extend(header);
            directory.extend([short(entry.name.len()), short(extra.len())].concat());
            directory.extend([0; 6]);
            directory.extend((mode << 16).to_le_bytes());
            directory.extend(offset);
            directory.extend(entry.name.as_bytes());
            directory.extend(extra);
        }
        let count = u16::try_from(self.entries.len()).unwrap().wrapping_add(self.more);
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
        end.extend([long(directory.len()), long(files.len())].concat());
        end.extend(short(self.comment.len()));
        [self.before, &files, &directory, &end, self.comment].concat()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, content, deflated, lie, renamed } = self;
        let content = content[..content.len().min(400)].escape_ascii();
        write!(f, "{name:?} ({deflated}, {lie:?}, {renamed:?}): \"{content}\"")
    }
}

impl Entry {
    fn packed(&self) -> Vec<u8> {
        if !self.deflated {
            return self.content.clone();
        }
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&self.content).unwrap();
        deflated.finish().unwrap()
    }

    /// What stands both before the file and in the directory.
    fn header(&self, packed: usize) -> Vec<u8> {
        // Names are UTF-8.
        let flags = 0x800 | u16::from(self.lie == Lie::Encrypted);
        let method = match (self.lie, self.deflated) {
            (Lie::Method, _) => 12_u16,
            (_, deflated) => {
                if deflated {
                    8
                } else {
                    0
                }
            }
        };
        let checksum = crc32(&self.content) ^ u32::from(self.lie == Lie::Checksum);
        let size = u32::from_le_bytes(long(self.content.len()));
        let more = if let Lie::Size(more) = self.lie { more } else { 0 };
        let mut header = [flags.to_le_bytes(), method.to_le_bytes(), [0; 2], [0x21, 0]].concat();
        header.extend(checksum.to_le_bytes());
        header.extend(long(packed));
        header.extend(size.wrapping_add(more).to_le_bytes());
        header
    }

    fn extra(&self) -> Vec<u8> {
        let Some((name, counts)) = self.renamed else { return Vec::new() };
        let checksum = crc32(self.name.as_bytes()) ^ u32::from(!counts);
        let mut extra = b"\x75\x70".to_vec();
        extra.extend(short(name.len() + 5));
        extra.push(1);
        extra.extend(checksum.to_le_bytes());
        extra.extend(name.as_bytes());
        extra
    }
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap().to_le_bytes()
}

fn long(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_le_bytes()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ ((sum & 1) * 0xedb8_8320);
        }
    }
    !sum
}
