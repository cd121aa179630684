use super::record::Record;
use super::{
    InMemoryStorage, LARGEST_FILE, LARGEST_RATIO, MOST_ENTRIES, PackageError, name, place, room,
};
use memchr::memmem;
use std::collections::HashSet;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// The largest list of a wheel's tags, in bytes.
const LARGEST_WHEEL: u64 = 64 << 10;
/// The largest list of a wheel's files.
const LARGEST_RECORD: u64 = 16 << 20;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Checks a wheel in full and puts its files into `storage`.
pub(super) fn unpack(bytes: &[u8], storage: &InMemoryStorage) -> Result<(), PackageError> {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if packed > LARGEST_FILE {
        return Err(PackageError::TooLarge { what: "it", size: packed, limit: LARGEST_FILE });
    }
    check_directory(bytes)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    check_names(&archive, bytes)?;
    check_sizes(&mut archive, packed, room(storage))?;
    let info = info_folder(&archive)?;
    check_kind(&text(&mut archive, &format!("{info}/WHEEL"), LARGEST_WHEEL)?)?;
    let record_name = format!("{info}/RECORD");
    let mut record = Record::parse(&text(&mut archive, &record_name, LARGEST_RECORD)?)?;
    for index in 0..archive.len() {
        let (name, bytes) = entry(&mut archive, index)?;
        let Some(bytes) = bytes else { continue };
        let signature =
            name == format!("{record_name}.jws") || name == format!("{record_name}.p7s");
        if name != record_name && !signature {
            record.check(&name, &bytes)?;
        }
        if let Some(path) = installed(&name) {
            place(storage, path, &bytes)?;
        }
    }
    record.finish(&record_name)
}

fn damaged(error: impl std::fmt::Display) -> PackageError {
    PackageError::Damaged(error.to_string())
}

/// Before the reader takes memory for each entry that there seems to be. Only
/// archives that are larger than a wheel may be have the directory of 64 bits, whose
/// numbers could be any.
fn check_directory(bytes: &[u8]) -> Result<(), PackageError> {
    let entries = memmem::find_iter(bytes, b"PK\x01\x02").count();
    if entries > MOST_ENTRIES {
        return Err(PackageError::TooMany(entries));
    }
    let is_large = |end: usize| {
        let locator = end.checked_sub(20).and_then(|start| bytes.get(start..end));
        locator.is_some_and(|locator| locator.starts_with(b"PK\x06\x07"))
    };
    match memmem::find_iter(bytes, b"PK\x05\x06").find(|end| is_large(*end)) {
        Some(_) => Err(damaged("its directory is one of 64 bits")),
        None => Ok(()),
    }
}

/// The names as they stand in the archive: the reader itself would keep only
/// the last of several equal ones.
fn check_names(archive: &Archive<'_>, bytes: &[u8]) -> Result<(), PackageError> {
    let start = usize::try_from(archive.central_directory_start()).map_err(damaged)?;
    let mut rest = bytes.get(start..).unwrap_or_default();
    let mut names = HashSet::new();
    let mut in_order = Vec::new();
    while let Some(header) = rest.strip_prefix(b"PK\x01\x02") {
        let length = |at: usize| {
            let two = header.get(at..at + 2).and_then(|two| two.try_into().ok());
            two.map(|two| usize::from(u16::from_le_bytes(two)))
        };
        let (Some(name), Some(extra), Some(comment)) = (length(24), length(26), length(28)) else {
            return Err(damaged("its directory is cut off"));
        };
        let raw = header.get(42..42 + name).ok_or_else(|| damaged("its directory is cut off"))?;
        let text = std::str::from_utf8(raw)
            .map_err(|_| PackageError::BadName(String::from_utf8_lossy(raw).into_owned()))?;
        name::check(text)?;
        if !names.insert(text.trim_end_matches('/')) {
            return Err(PackageError::Twice(text.to_owned()));
        }
        if names.len() > MOST_ENTRIES {
            return Err(PackageError::TooMany(names.len()));
        }
        in_order.push(text);
        rest = header.get(42 + name + extra + comment..).unwrap_or_default();
    }
    if names.len() != archive.len() {
        return Err(damaged("its directory is not one"));
    }
    // An entry may have another name in an extra field, and the reader goes by that.
    for (read, name) in archive.file_names().zip(in_order) {
        let read = read.map_err(damaged)?;
        if read != name {
            return Err(PackageError::BadName(read.into_owned()));
        }
    }
    Ok(())
}

/// Adds up what the archive says its files will be; reading holds it to that.
fn check_sizes(archive: &mut Archive<'_>, packed: u64, room: u64) -> Result<(), PackageError> {
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        if entry.is_symlink() || entry.encrypted() {
            return Err(PackageError::BadName(name_of(&entry)?));
        }
        unpacked = unpacked.saturating_add(entry.size());
    }
    if unpacked > room {
        return Err(PackageError::TooLarge { what: "what is in it", size: unpacked, limit: room });
    }
    if unpacked > packed.saturating_mul(LARGEST_RATIO) {
        return Err(PackageError::Ratio { packed, unpacked });
    }
    Ok(())
}

/// Name and contents; none of a folder.
fn entry(
    archive: &mut Archive<'_>,
    index: usize,
) -> Result<(String, Option<Vec<u8>>), PackageError> {
    let entry = archive.by_index(index).map_err(damaged)?;
    // It can differ from the one in the directory, by a field of its own.
    let name = name_of(&entry)?;
    name::check(&name)?;
    if entry.is_dir() {
        return Ok((name, None));
    }
    let size = entry.size();
    let mut bytes = Vec::new();
    entry.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(damaged)?;
    if u64::try_from(bytes.len()) != Ok(size) {
        return Err(damaged(format!("{name:?} is not as long as it says")));
    }
    Ok((name, Some(bytes)))
}

fn name_of<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Result<String, PackageError> {
    Ok(entry.name().map_err(damaged)?.into_owned())
}

fn text(archive: &mut Archive<'_>, name: &str, limit: u64) -> Result<String, PackageError> {
    let index = archive.index_for_name(name).ok_or_else(|| damaged(format!("no {name}")))?;
    let size = archive.by_index_raw(index).map_err(damaged)?.size();
    if size > limit {
        return Err(PackageError::TooLarge { what: "a list in it", size, limit });
    }
    let (_, bytes) = entry(archive, index)?;
    String::from_utf8(bytes.unwrap_or_default()).map_err(damaged)
}

/// The one folder `NAME-VERSION.dist-info`.
fn info_folder(archive: &Archive<'_>) -> Result<String, PackageError> {
    let mut folders = HashSet::new();
    for name in archive.file_names() {
        let name = name.map_err(damaged)?;
        if let Some((top, _)) = name.split_once('/').filter(|(top, _)| top.ends_with(".dist-info"))
        {
            folders.insert(top.to_owned());
        }
    }
    match folders.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(damaged("it has no .dist-info folder, or several")),
    }
}

fn check_kind(wheel: &str) -> Result<(), PackageError> {
    let version = wheel.lines().find_map(|line| line.strip_prefix("Wheel-Version:"));
    if let Some(version) = version.map(str::trim)
        && version.split('.').next() != Some("1")
    {
        return Err(PackageError::Version(version.to_owned()));
    }
    let tags: Vec<&str> =
        wheel.lines().filter_map(|line| line.strip_prefix("Tag:")).map(str::trim).collect();
    if tags.iter().any(|tag| runs_here(tag)) {
        return Ok(());
    }
    Err(PackageError::Tag(if tags.is_empty() { "nothing".to_owned() } else { tags.join(", ") }))
}

fn runs_here(tag: &str) -> bool {
    let Some(python) = tag.strip_suffix("-none-any") else { return false };
    let version = python.strip_prefix("py3").or(python.strip_prefix("cp3"));
    version.is_some_and(|minor| minor.is_empty() || minor.parse::<u32>().is_ok_and(|n| n <= 13))
}

/// Where a file goes in `site-packages`; nowhere if it is a script, a header or
/// other data, which installers put elsewhere.
fn installed(name: &str) -> Option<&str> {
    let Some((top, rest)) = name.split_once('/') else { return Some(name) };
    if top.rsplit_once('.').is_none_or(|(_, kind)| kind != "data") {
        return Some(name);
    }
    rest.strip_prefix("purelib/").or(rest.strip_prefix("platlib/"))
}
