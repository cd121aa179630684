use super::{
    InMemoryStorage, LARGEST_FILE, LARGEST_RATIO, MOST_ENTRIES, PackageError, name, place, room,
};
use flate2::read::GzDecoder;
use std::io::Read;
use tar::{Archive, EntryType};

/// Folders that hold a project's modules, if they are not at its top.
const MODULES_IN: [&str; 2] = ["src/", "lib/"];

/// Checks a source archive and puts the modules in it into `storage`. Nothing is
/// built: what is compiled is missing, which many packages can do without.
pub(super) fn unpack(bytes: &[u8], storage: &InMemoryStorage) -> Result<(), PackageError> {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if packed > LARGEST_FILE {
        return Err(PackageError::TooLarge { what: "it", size: packed, limit: LARGEST_FILE });
    }
    let files = read(bytes, packed, room(storage))?;
    let inside = MODULES_IN.into_iter().find(|folder| {
        files.iter().any(|(name, _)| name.starts_with(folder) && name.ends_with("/__init__.py"))
    });
    for (name, bytes) in &files {
        let path = match inside {
            Some(folder) => name.strip_prefix(folder),
            None => Some(name.as_str()).filter(|name| is_module(name)),
        };
        if let Some(path) = path {
            place(storage, path, bytes)?;
        } else if name == "PKG-INFO" {
            place(storage, &info_path(bytes), bytes)?;
        }
    }
    Ok(())
}

/// Where `importlib.metadata` looks for what the package says of itself.
fn info_path(info: &[u8]) -> String {
    let info = String::from_utf8_lossy(info);
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let plain = |letter: char| letter.is_alphanumeric() || "._+!".contains(letter);
        value.trim().replace(|letter: char| !plain(letter), "_")
    };
    format!("{}-{}.dist-info/METADATA", field("Name:"), field("Version:"))
}

/// What importing could want, of all that lies beside the modules.
fn is_module(path: &str) -> bool {
    match path.split_once('/') {
        Some((top, _)) => !matches!(top, "tests" | "test" | "docs" | "doc" | "examples"),
        None => path != "setup.py" && path.rsplit_once('.').is_some_and(|(_, kind)| kind == "py"),
    }
}

/// All files, by their names without the archive's one top folder.
fn read(bytes: &[u8], packed: u64, room: u64) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let damaged = |error: std::io::Error| PackageError::Damaged(error.to_string());
    let most = room.min(packed.saturating_mul(LARGEST_RATIO));
    let too_large = || {
        if room <= most {
            PackageError::TooLarge { what: "what is in it", size: most, limit: room }
        } else {
            PackageError::Ratio { packed, unpacked: most }
        }
    };
    let mut archive = Archive::new(GzDecoder::new(bytes).take(most.saturating_add(1)));
    let mut files = Vec::new();
    let mut total = 0_u64;
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let raw = entry.path_bytes().into_owned();
        let path =
            String::from_utf8(raw).map_err(|error| PackageError::BadName(error.to_string()))?;
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory | EntryType::Regular => name::check(&path)?,
            _ => return Err(PackageError::BadName(path)),
        }
        // Old archives have no other sign of a folder.
        if entry.header().entry_type() == EntryType::Directory || path.ends_with('/') {
            continue;
        }
        total = total.saturating_add(entry.size());
        if total > most {
            return Err(too_large());
        }
        let size = entry.size();
        let mut contents = Vec::new();
        entry.take(size).read_to_end(&mut contents).map_err(damaged)?;
        if u64::try_from(contents.len()) != Ok(size) {
            return Err(too_large());
        }
        if files.len() >= MOST_ENTRIES {
            return Err(PackageError::TooMany(files.len()));
        }
        if let Some((_, path)) = path.split_once('/') {
            files.push((path.to_owned(), contents));
        }
    }
    // If the limit lies between two entries, the reader takes it for the end.
    if archive.into_inner().limit() == 0 { Err(too_large()) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use eryx_vfs::StorageLimits;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    /// An archive of empty files is refused where it is longer than the limit, not cut.
    #[test]
    fn the_limit_is_not_the_end() {
        let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for number in 0..8 {
            let mut header = Header::new_gnu();
            header.set_size(0);
            tar.append_data(&mut header, format!("p-1/p/{number}.py"), &[][..]).unwrap();
        }
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        for blocks in 1..12 {
            let limits = StorageLimits::default().with_bytes(blocks * 512);
            let storage = InMemoryStorage::with_limits(limits);
            let unpacked = unpack(&bytes, &storage);
            // With the block that is the end.
            assert_eq!(unpacked.is_ok(), blocks > 8, "{blocks}: {unpacked:?}");
        }
    }
}
