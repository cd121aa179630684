use super::{
    InMemoryStorage, LARGEST_FILE, LARGEST_RATIO, MOST_ENTRIES, PackageError, name, place, room,
};
use flate2::read::GzDecoder;
use std::io::Read;
use tar::{Archive, EntryType};

/// What shows that there is something to compile.
const COMPILED: [&str; 6] = [".c", ".cc", ".cpp", ".pyx", ".rs", ".f90"];

/// Checks a source archive and puts the modules in it into `storage`.
pub(super) fn unpack(bytes: &[u8], storage: &InMemoryStorage) -> Result<(), PackageError> {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if packed > LARGEST_FILE {
        return Err(PackageError::TooLarge { what: "it", size: packed, limit: LARGEST_FILE });
    }
    let files = read(bytes, packed, room(storage))?;
    // Modules lie in `src` or beside `pyproject.toml`.
    let in_src = files.iter().any(|(name, _)| name.starts_with("src/"));
    for (name, bytes) in &files {
        let path = if in_src { name.strip_prefix("src/") } else { Some(name.as_str()) };
        let Some(path) = path.filter(|path| in_src || is_module(path)) else { continue };
        if COMPILED.iter().any(|ending| path.ends_with(ending)) {
            return Err(PackageError::NeedsBuilding(path.to_owned()));
        }
        place(storage, path, bytes)?;
    }
    Ok(())
}

/// What importing could want, of all that lies beside the modules.
fn is_module(path: &str) -> bool {
    match path.split_once('/') {
        Some((top, _)) => !matches!(top, "tests" | "test" | "docs" | "doc" | "examples"),
        None => path != "setup.py" && path.ends_with(".py"),
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
    let mut archive = Archive::new(GzDecoder::new(bytes).take(most));
    let mut files = Vec::new();
    let mut total = 0_u64;
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let raw = entry.path_bytes().into_owned();
        let path =
            String::from_utf8(raw).map_err(|error| PackageError::BadName(error.to_string()))?;
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory => {
                name::check(&path)?;
                continue;
            }
            EntryType::Regular => name::check(&path)?,
            _ => return Err(PackageError::BadName(path)),
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
    Ok(files)
}
