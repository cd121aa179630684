//! The standard library's archive, a zip file. The same files give the same bytes,
//! whatever the machine has for a zlib.
//!
//! It is plain so that the guest can take entries out of it when it starts
//! (`_eryx_archive.leave_out`): entries in order and nothing between or after them.
//! A component leaves out zeros at the end of what is in memory, so the archive ends in
//! a comment: all of it lies in the component, where `RuntimeSource::stdlib` finds it.

use crate::key::files_below;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Best, but for what takes minutes.
const LEVEL: u8 = 9;

/// Entries are compressed by DEFLATE, which version 2.0 of the format knows.
const VERSION: u16 = 20;
const DEFLATE: u16 = 8;

/// Made on a Unix, where attributes are a file's mode.
const MADE_BY: u16 = 3 << 8 | VERSION;
const MODE: u32 = 0o100_644 << 16;

/// The start of 1980, the oldest date that there is.
const DATE: u16 = 1 << 5 | 1;

const COMMENT: &[u8] = b"The standard library of CPython, with eryx's own";

/// All files below `folder`, by their relative names.
pub(crate) fn of_folder(folder: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for path in files_below(folder)? {
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(folder)?.to_str().context("a file's name is no text")?;
        archive.add(&name.replace('\\', "/"), &content)?;
    }
    archive.finish()
}

/// What is written up to now.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Archive {
    fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let start = u32::try_from(self.bytes.len())?;
        let packed = miniz_oxide::deflate::compress_to_vec(content, LEVEL);
        // What both headers have.
        let mut common = Vec::new();
        for number in [VERSION, 0, DEFLATE, 0, DATE] {
            common.extend(number.to_le_bytes());
        }
        let sizes = [u32::try_from(packed.len())?, u32::try_from(content.len())?];
        for number in [crc32fast::hash(content), sizes[0], sizes[1]] {
            common.extend(number.to_le_bytes());
        }
        common.extend(u16::try_from(name.len())?.to_le_bytes());
        common.extend([0; 2]);

        for part in [&b"PK\x03\x04"[..], &common, name.as_bytes(), &packed] {
            self.bytes.extend(part);
        }
        let made_by = MADE_BY.to_le_bytes();
        let (mode, start) = (MODE.to_le_bytes(), start.to_le_bytes());
        for part in [&b"PK\x01\x02"[..], &made_by, &common, &[0; 6], &mode, &start, name.as_bytes()]
        {
            self.directory.extend(part);
        }
        self.count = self.count.checked_add(1).context("too many files")?;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        let (start, size) =
            (u32::try_from(self.bytes.len())?, u32::try_from(self.directory.len())?);
        self.bytes.extend(self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        for _ in 0..2 {
            self.bytes.extend(self.count.to_le_bytes());
        }
        self.bytes.extend(size.to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend(u16::try_from(COMMENT.len())?.to_le_bytes());
        self.bytes.extend(COMMENT);
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Archive, COMMENT, of_folder};
    use std::fs;
    use std::io::{Cursor, Read};
    use zip::ZipArchive;

    const FILES: [(&str, &[u8]); 3] =
        [("a/b.py", b"print(1)\n"), ("a/b.pyc", &[7; 100_000]), ("c.txt", b"")];

    fn archive() -> Vec<u8> {
        let mut archive = Archive::default();
        for (name, content) in FILES {
            archive.add(name, content).unwrap();
        }
        archive.finish().unwrap()
    }

    #[test]
    fn others_read_it() {
        let mut read = ZipArchive::new(Cursor::new(archive())).unwrap();
        assert_eq!(read.len(), FILES.len());
        for (number, (name, content)) in FILES.into_iter().enumerate() {
            let mut file = read.by_index(number).unwrap();
            assert_eq!(file.name().unwrap(), name);
            assert_eq!(file.unix_mode(), Some(0o100_644));
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert_eq!(found, content);
        }
    }

    /// What `_eryx_archive.leave_out` takes for granted.
    #[test]
    fn entries_follow_one_another_and_a_comment_follows_the_end() {
        let bytes = archive();
        let (before, comment) = bytes.split_at(bytes.len() - COMMENT.len());
        assert_eq!(comment, COMMENT);
        assert_eq!(before[before.len() - 22..][..4], *b"PK\x05\x06");
        let mut read = ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let mut end = 0;
        for number in 0..read.len() {
            let file = read.by_index_raw(number).unwrap();
            assert_eq!(file.header_start(), end);
            let header = &bytes[usize::try_from(end).unwrap()..];
            assert_eq!(header[6..8], [0; 2], "there is a data descriptor");
            end = file.data_start().unwrap() + file.compressed_size();
        }
        assert_eq!(read.central_directory_start(), end);
    }

    #[test]
    fn a_folder_is_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        for (name, content) in FILES.into_iter().rev() {
            fs::write(folder.path().join(name), content).unwrap();
        }
        assert_eq!(of_folder(folder.path()).unwrap(), archive());
    }
}
