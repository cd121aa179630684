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
        value.trim().replace(['-', '/'], "_")
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
