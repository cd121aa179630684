//! Source archives of which all is known before they are written.

use super::super::layout::Layout;
use super::input::Input;
use super::{Files, any_source, changed, put, unpacked};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use tar::{EntryType, Header};

/// Names of files and folders; what becomes of them is [`Layout`]'s to say.
const NAMES: &[&str] = &[
    "p-1/p/__init__.py",
    "p-1/p/data.txt",
    "p-1/p",
    "p-1/top.py",
    "p-1/src/q/__init__.py",
    "p-1/src/one.py",
    "p-1/lib/r/__init__.py",
    "p-1/lib/r/a.py",
    "p-1/lib/r",
    "p-1/other/one.py",
    "p-1/other/__init__.py",
    "p-1/PKG-INFO",
    "p-1/setup.py",
    "p-1/README",
    "p-1/tests/t.py",
    "p-1/p/",
    "alone.py",
];

/// Names that no archive may have.
const BAD_NAMES: &[&str] = &[
    "../x.py",
    "/x.py",
    "p-1/../x.py",
    "p-1/p/../../../x.py",
    "p-1/a\\..\\x.py",
    "p-1/c:x.py",
    "p-1//x.py",
    "p-1/./x.py",
    "..",
];

/// What a package says of itself, and where that is looked for.
const INFOS: &[(&str, &str)] = &[
    ("Name: p\nVersion: 1\n", "p-1.dist-info/METADATA"),
    ("Version: 1/../2\nName: ../p-q\n", ".._p_q-1_.._2.dist-info/METADATA"),
    ("Name: c:x\\y\nVersion: \0\n", "c_x_y-_.dist-info/METADATA"),
    ("", "-.dist-info/METADATA"),
];

/// What an entry can be, and whether an archive may have it.
const KINDS: &[(EntryType, bool)] = &[
    (EntryType::Regular, true),
    (EntryType::Directory, true),
    (EntryType::XGlobalHeader, true),
    (EntryType::Symlink, false),
    (EntryType::Link, false),
    (EntryType::Fifo, false),
    (EntryType::Block, false),
    (EntryType::GNUSparse, false),
];

/// Where the name of an entry stands.
#[derive(Debug, Clone, Copy)]
enum Named {
    Header,
    Long,
    Extended,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    good: bool,
    kind: (EntryType, bool),
    named: Named,
    content: Vec<u8>,
}

pub(super) fn check(input: &mut Input<'_>, room: u64) {
    let entries: Vec<Entry> = (0..input.byte() % 9).map(|_| entry(input)).collect();
    let mut stream = Vec::new();
    for entry in &entries {
        entry.write(&mut stream);
    }
    // Two empty blocks are the end.
    stream.extend([0; 1024]);
    let read = u64::try_from(stream.len()).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&stream).unwrap();
    let bytes = packed.finish().unwrap();
    let fits = read <= room;
    let expected = expected(&entries).filter(|_| fits);
    match unpacked(crate::packages::sdist::unpack, &bytes, room) {
        Ok(found) => assert!(Some(&found) == expected.as_ref(), "{:?}: {entries:?}", found.keys()),
        Err(error) => assert!(expected.is_none(), "{error:?}: {entries:?}"),
    }
    any_source(&changed(bytes, input), room);
}

/// What shall be there once they are unpacked; nothing if they shall be refused.
fn expected(entries: &[Entry]) -> Option<Files> {
    let named = entries.iter().filter(|entry| entry.kind.0 != EntryType::XGlobalHeader);
    if entries.iter().any(|entry| !entry.kind.1) || named.clone().any(|entry| !entry.good) {
        return None;
    }
    let plain = |entry: &&Entry| entry.kind.0 == EntryType::Regular && !entry.name.ends_with('/');
    let regular: Vec<&Entry> = named.filter(plain).collect();
    let inner = |entry: &&Entry| entry.name.split_once('/').map(|(_, name)| name.to_owned());
    let inside: Vec<String> = regular.iter().filter_map(inner).collect();
    let layout = Layout::of(&inside);
    let mut files = Files::from([("other/one.py".to_owned(), Vec::new())]);
    for entry in regular {
        let info = INFOS.iter().find(|(text, _)| text.as_bytes() == entry.content);
        let name = entry.name.split_once('/').map_or("", |(_, name)| name);
        let path = match info {
            Some((_, path)) if name == "PKG-INFO" => Some(*path),
            _ => layout.installed(name),
        };
        if let Some(path) = path {
            put(&mut files, path, &entry.content)?;
        }
    }
    files.remove("other/one.py");
    Some(files)
}

fn entry(input: &mut Input<'_>) -> Entry {
    let good = input.byte() < 240;
    let name = input.pick(if good { NAMES } else { BAD_NAMES });
    let kind = input.seldom(KINDS);
    let named = input.seldom(&[Named::Header, Named::Long, Named::Extended]);
    let content = match name {
        "p-1/PKG-INFO" => input.pick(INFOS).0.into(),
        _ if kind.0 == EntryType::Regular => input.content(),
        _ => Vec::new(),
    };
    Entry { name, good, kind, named, content }
}

impl Entry {
    fn write(&self, stream: &mut Vec<u8>) {
        let shown = match self.named {
            // Before a description of what follows there would have to be that.
            _ if self.kind.0 == EntryType::XGlobalHeader => self.name,
            Named::Header => self.name,
            Named::Long => {
                let name = [self.name.as_bytes(), b"\0"].concat();
                block("././@LongLink", EntryType::GNULongName, &name, stream);
                "p-1/cut"
            }
            Named::Extended => {
                let line = format!(" path={}\n", self.name);
                let length = line.len() + 2;
                let text = format!("{length}{line}");
                assert_eq!(text.len(), length);
                block("PaxHeaders/p", EntryType::XHeader, text.as_bytes(), stream);
                "p-1/cut"
            }
        };
        block(shown, self.kind.0, &self.content, stream);
    }
}

fn block(name: &str, kind: EntryType, content: &[u8], stream: &mut Vec<u8>) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(u64::try_from(content.len()).unwrap());
    header.set_cksum();
    stream.extend(header.as_bytes());
    stream.extend(content);
    stream.resize(stream.len().next_multiple_of(512), 0);
}
