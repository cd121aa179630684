//! Wheels of which all is known before they are written.

use super::archive::{Entry, Lie, Zip};
use super::input::Input;
use super::{Files, any_wheel, changed, hash, installed, put, unpacked};
use std::collections::BTreeSet;

const RECORD: &str = "p-1.dist-info/RECORD";
const SIGNATURES: [&str; 2] = ["p-1.dist-info/RECORD.jws", "p-1.dist-info/RECORD.p7s"];

/// Names that a wheel may have.
const NAMES: &[&str] = &[
    "p/__init__.py",
    "p/a",
    "p/a/b",
    "p/a,b.txt",
    "p/\"q\".txt",
    "\"q\"",
    "p/b c.txt",
    "\u{fc}/\u{1f600}.py",
    "top.py",
    "other/two.py",
    "other/one.py",
    "x.data",
    "p-1.data/purelib/top.py",
    "p-1.data/platlib/p/c.py",
    "p-1.data/purelib/p-1.dist-info/RECORD",
    "p-1.data/scripts/run",
    "p/x.data/purelib/y",
    "p/",
    "p/a/",
    SIGNATURES[0],
    SIGNATURES[1],
    "a/.../b",
];

/// Names that it may not have.
const BAD_NAMES: &[&str] = &[
    "../x",
    "/x",
    "p/../../x",
    "p/..",
    "a\\..\\x",
    "c:x",
    "p//a",
    "./a",
    ".",
    "",
    "a\0b",
    "//",
    "p-1.data/purelib//x",
    // A second folder of this kind.
    "q-2.dist-info/x",
];

/// What a wheel may be made for, and whether that is us.
const TAGS: &[(&str, bool)] = &[
    ("Tag: py3-none-any\n", true),
    ("Tag:cp313-none-any \r\n", true),
    ("Tag: py2-none-any\nTag: py39-none-any\n", true),
    ("Tag: py314-none-any\n", false),
    ("Tag: cp313-cp313-linux_x86_64\n", false),
    ("# Tag: py3-none-any\n", false),
    ("", false),
];

/// What RECORD says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Right,
    /// With the signs at the end that the format wants left out.
    Padded,
    Missing,
    Twice,
    Hash,
    Size,
    OtherHash,
    NoHash,
}

struct Wheel {
    zip: Zip,
    listed: Vec<Listed>,
    /// A file that is not there.
    lost: bool,
    tag: (&'static str, bool),
}

pub(super) fn check(input: &mut Input<'_>, room: u64) {
    let wheel = Wheel::decode(input);
    let bytes = wheel.zip.written();
    let expected = wheel.expected(bytes.len(), room);
    let found = unpacked(crate::packages::wheel::unpack, &bytes, room);
    match found {
        Ok(found) => {
            assert!(Some(&found) == expected.as_ref(), "{:?}: {:?}", found.keys(), wheel.zip);
        }
        Err(error) => assert!(expected.is_none(), "{error:?}: {:?}", wheel.zip),
    }
    any_wheel(&changed(bytes, input), room);
}

impl Wheel {
    fn decode(input: &mut Input<'_>) -> Self {
        let tag = input.seldom(TAGS);
        let mut entries: Vec<Entry> = (0..input.byte() % 6).map(|_| entry(input)).collect();
        let meta = Entry { name: "p-1.dist-info/WHEEL".into(), content: tag.0.into(), ..sound() };
        let at = usize::from(input.byte()) % (entries.len() + 1);
        if input.byte() < 250 {
            entries.insert(at, meta);
        }
        let listed: Vec<Listed> = entries.iter().map(|entry| listed(entry, input)).collect();
        let lost = input.byte() >= 250;
        let mut wheel = Self {
            zip: Zip {
                before: input.seldom(&[b"", b"#!/bin/sh\n"]),
                entries,
                more: input.seldom(&[0, 0, 0, 1, 65_535]),
                comment: input.seldom(&[b"", b"PK\x05\x06", b"a comment"]),
            },
            listed,
            lost,
            tag,
        };
        let record = wheel.record(input.byte() & 1 == 0);
        let at = usize::from(input.byte()) % (wheel.zip.entries.len() + 1);
        if input.byte() < 250 {
            let entry = Entry { name: RECORD.into(), content: record.into(), ..sound() };
            wheel.zip.entries.insert(at, entry);
            // It is not looked at.
            wheel.listed.insert(at, Listed::Right);
        }
        wheel
    }

    fn record(&self, itself: bool) -> String {
        let mut text = String::new();
        for (entry, listed) in self.zip.entries.iter().zip(&self.listed) {
            let Entry { name, content, .. } = entry;
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            let name = if name.contains([',', '"']) { &quoted } else { name };
            let (hash, size) = (hash(content), content.len());
            let line = match listed {
                Listed::Right | Listed::Twice => format!("{name},{hash},{size}\n"),
                Listed::Padded => format!("{name},{hash}=,{size}\r\n\n"),
                Listed::Missing => String::new(),
                Listed::Hash => format!("{name},{}x,{size}\n", &hash[..hash.len() - 1]),
                Listed::Size => format!("{name},{hash},{}\n", size + 1),
                Listed::OtherHash => format!("{name},{},{size}\n", hash.replace("256", "512")),
                Listed::NoHash => format!("{name},,\n"),
            };
            text += &line;
            if *listed == Listed::Twice {
                text += &line;
            }
        }
        if self.lost {
            text.extend(["p/lost,", &hash(b""), ",0\n"]);
        }
        if itself {
            text.extend([RECORD, ",,\n"]);
        }
        text
    }

    /// What shall be there once it is unpacked; nothing if it shall be refused.
    fn expected(&self, packed: usize, room: u64) -> Option<Files> {
        let entries = &self.zip.entries;
        let size: usize = entries.iter().map(|entry| entry.content.len()).sum();
        let fits = size <= packed * 100 && u64::try_from(size).unwrap() <= room;
        let names: BTreeSet<&str> =
            entries.iter().map(|entry| entry.name.trim_end_matches('/')).collect();
        let sound = self.zip.more == 0 && self.tag.1 && !self.lost;
        let complete = names.contains("p-1.dist-info/WHEEL") && names.contains(RECORD);
        if !fits || names.len() != entries.len() || !sound || !complete {
            return None;
        }
        let mut files = Files::from([("other/one.py".to_owned(), Vec::new())]);
        for (entry, listed) in entries.iter().zip(&self.listed) {
            let Entry { name, content, lie, renamed, .. } = entry;
            let other = renamed.is_some_and(|(other, counts)| counts && other != name);
            if *lie != Lie::None || other || BAD_NAMES.contains(&name.as_str()) {
                return None;
            }
            let may_be_missing = name.ends_with('/') || SIGNATURES.contains(&name.as_str());
            let right = match listed {
                Listed::Right if name == RECORD => true,
                Listed::Right | Listed::Padded => !may_be_missing,
                Listed::Missing => may_be_missing,
                _ => false,
            };
            if !right {
                return None;
            }
            if let Some(path) = installed(name).filter(|_| !name.ends_with('/')) {
                put(&mut files, path, content)?;
            }
        }
        files.remove("other/one.py");
        Some(files)
    }
}

fn sound() -> Entry {
    Entry {
        name: String::new(),
        content: Vec::new(),
        deflated: false,
        lie: Lie::None,
        renamed: None,
    }
}

fn entry(input: &mut Input<'_>) -> Entry {
    let name = match input.byte() {
        0..230 => input.pick(NAMES).to_owned(),
        230..235 => "n".repeat(255 + usize::from(input.byte()) % 2),
        _ => input.pick(BAD_NAMES).to_owned(),
    };
    if name.ends_with('/') {
        return Entry { name, ..sound() };
    }
    let lie = input.seldom(&[
        Lie::None,
        Lie::Size(1),
        Lie::Size(u32::MAX),
        Lie::Size(1 << 31),
        Lie::Checksum,
        Lie::Link,
        Lie::Encrypted,
        Lie::Method,
    ]);
    let renamed = (input.byte() >= 230).then(|| {
        let other = if input.byte() & 1 == 0 { BAD_NAMES } else { NAMES };
        (input.pick(other), input.byte() & 3 != 0)
    });
    Entry { name, content: input.content(), deflated: input.byte() & 1 == 1, lie, renamed }
}

fn listed(entry: &Entry, input: &mut Input<'_>) -> Listed {
    let right = if entry.name.ends_with('/') || SIGNATURES.contains(&entry.name.as_str()) {
        Listed::Missing
    } else {
        Listed::Right
    };
    input.seldom(&[
        right,
        Listed::Padded,
        Listed::Missing,
        Listed::Twice,
        Listed::Hash,
        Listed::Size,
        Listed::OtherHash,
        Listed::NoHash,
    ])
}
