//! What holds for any bytes: the body of the fuzz target `wheel`, which is a test too.
//! It looks inside, so it is here.

mod archive;
mod input;
mod sdist;
mod wheel;

use super::PackageError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eryx_vfs::{FileKind, InMemoryStorage, StorageFiles, StorageLimits};
use input::Input;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Paths below `site-packages`, and contents.
type Files = BTreeMap<String, Vec<u8>>;

/// What any archive may unpack to.
const SMALL: usize = 1 << 20;

/// Checks a package and puts its files into a storage.
type Unpack = fn(&[u8], &InMemoryStorage) -> Result<(), PackageError>;

/// A package is refused, or it is put where it belongs, as it says it is.
pub fn wheel(bytes: &[u8]) {
    let mut input = Input(bytes);
    let room = input.pick(&[60_000, 512 * 8, 3000]);
    any_wheel(input.0, room);
    any_source(input.0, room);
    if input.byte() & 1 == 0 {
        wheel::check(&mut input, room);
    } else {
        sdist::check(&mut input, room);
    }
}

/// Any bytes as a wheel: what is put somewhere is what RECORD says.
fn any_wheel(bytes: &[u8], room: u64) {
    let Ok(files) = unpacked(super::wheel::unpack, bytes, room) else { return };
    let records: Vec<&str> =
        files.keys().filter(|path| is_record(path)).map(String::as_str).collect();
    let fits = |record: &&str| files.iter().all(|file| listed(&files[*record], record, file));
    assert!(records.iter().any(fits), "{files:?}");
}

/// Any bytes as a source archive.
fn any_source(bytes: &[u8], room: u64) {
    let _ = unpacked(super::sdist::unpack, bytes, room);
}

/// The same with one byte changed.
fn changed(mut bytes: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let place = usize::from(input.byte()) << 8 | usize::from(input.byte());
    let place = place % bytes.len();
    bytes[place] ^= input.byte();
    bytes
}

/// What is in a storage for so many bytes once a package is, beside another one's file.
fn unpacked(unpack: Unpack, bytes: &[u8], room: u64) -> Result<Files, PackageError> {
    let limits = StorageLimits::default().with_bytes(room + 1);
    let storage = InMemoryStorage::with_limits(limits);
    storage.write("other/one.py", "1").unwrap();
    unpack(bytes, &storage)?;
    let mut files = Files::new();
    collect(&storage, "", &mut files);
    assert_eq!(files.remove("other/one.py").as_deref(), Some(&b"1"[..]));
    let size: usize = files.values().map(Vec::len).sum();
    assert!(u64::try_from(size).unwrap() <= room, "{size} bytes");
    let most = (bytes.len() * 100).max(SMALL);
    assert!(size <= most, "{} bytes became {size}", bytes.len());
    Ok(files)
}

fn collect(storage: &InMemoryStorage, folder: &str, files: &mut Files) {
    for entry in storage.list(&format!("/{folder}")).unwrap() {
        let path = format!("{folder}{}", entry.name);
        assert!(!entry.name.contains(['\\', ':', '\0']), "{path:?}");
        match entry.kind {
            FileKind::Directory => collect(storage, &format!("{path}/"), files),
            FileKind::File => drop(files.insert(path.clone(), storage.read(&path).unwrap())),
            FileKind::Symlink => panic!("{path:?} is a link"),
        }
    }
}

fn is_record(path: &str) -> bool {
    path.strip_suffix(".dist-info/RECORD").is_some_and(|folder| !folder.contains('/'))
}

/// Whether a wheel's RECORD has this file, or it is one that cannot be there.
fn listed(text: &[u8], record: &str, (path, content): (&String, &Vec<u8>)) -> bool {
    if path.strip_prefix(record).is_some_and(|rest| matches!(rest, "" | ".jws" | ".p7s")) {
        return true;
    }
    let (hash, size) = (hash(content), content.len().to_string());
    String::from_utf8_lossy(text).lines().any(|line| {
        let Some((front, told)) = line.trim_end().rsplit_once(',') else { return false };
        let Some((name, sum)) = front.rsplit_once(',') else { return false };
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let name = quoted.map_or(name.to_owned(), |name| name.replace("\"\"", "\""));
        installed(&name) == Some(path) && told == size && sum.trim_end_matches('=') == hash
    })
}

fn hash(content: &[u8]) -> String {
    format!("sha256={}", URL_SAFE_NO_PAD.encode(Sha256::digest(content)))
}

/// Where an installer puts a file of a wheel, of what it puts into `site-packages`.
fn installed(name: &str) -> Option<&str> {
    match name.split_once(".data/") {
        Some((package, rest)) if !package.contains('/') => {
            rest.strip_prefix("purelib/").or(rest.strip_prefix("platlib/"))
        }
        _ => Some(name),
    }
}

/// Puts a file beside the others; not if there is one, or a folder that it would be in
/// or would be.
fn put(files: &mut Files, path: &str, content: &[u8]) -> Option<()> {
    let in_one_another =
        |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    let is_free = files
        .keys()
        .all(|other| other != path && !in_one_another(path, other) && !in_one_another(other, path));
    let fits = path.split('/').all(|name| name.len() <= 255);
    (is_free && fits).then(|| drop(files.insert(path.to_owned(), content.to_vec())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn seeds_of_wheels() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/wheel");
        let mut count = 0;
        for seed in fs::read_dir(folder).unwrap() {
            super::wheel(&fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "there are no seeds");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn wheels_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::wheel(&bytes);
        }
    }
}
