use super::layout::Layout;
use super::{
    InMemoryStorage, LARGEST_FILE, LARGEST_RATIO, MOST_ENTRIES, PackageError, name, place, room,
};
use flate2::read::GzDecoder;
use std::cell::Cell;
use std::io::{self, Read};
use tar::EntryType;

/// What an archive of any size may unpack to: small ones are mostly padding.
const NO_BOMB: u64 = 1 << 20;

/// Checks a source archive and puts the modules in it into `storage`. Nothing is
/// built: what is compiled is missing, which many packages can do without.
pub(super) fn unpack(bytes: &[u8], storage: &InMemoryStorage) -> Result<(), PackageError> {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if packed > LARGEST_FILE {
        return Err(PackageError::TooLarge { what: "it", size: packed, limit: LARGEST_FILE });
    }
    let archive = Archive { bytes, packed, room: room(storage) };
    // Read twice, so that what is in it is in memory once.
    let mut names = Vec::new();
    archive.read(|name, _| {
        if names.len() >= MOST_ENTRIES {
            return Err(PackageError::TooMany(names.len()));
        }
        names.push(name.to_owned());
        Ok(())
    })?;
    let layout = Layout::of(&names);
    archive.read(|name, contents| {
        if let Some(path) = layout.installed(name) {
            place(storage, path, &all_of(contents)?)?;
        } else if name == "PKG-INFO" {
            let info = all_of(contents)?;
            place(storage, &info_path(&info), &info)?;
        }
        Ok(())
    })
}

fn all_of(contents: &mut dyn Read) -> Result<Vec<u8>, PackageError> {
    let mut bytes = Vec::new();
    contents.read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

fn damaged(error: impl std::fmt::Display) -> PackageError {
    PackageError::Damaged(error.to_string())
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

struct Archive<'a> {
    bytes: &'a [u8],
    packed: u64,
    room: u64,
}

/// Why reading stopped.
struct Stop(PackageError);

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self(damaged(error))
    }
}

impl Archive<'_> {
    /// Shows all files, by their names without the archive's one top folder, and
    /// reads to the end, where the checksum is.
    fn read(
        &self,
        mut each: impl FnMut(&str, &mut dyn Read) -> Result<(), PackageError>,
    ) -> Result<(), PackageError> {
        let most = self.room.min(self.packed.saturating_mul(LARGEST_RATIO).max(NO_BOMB));
        let is_over = Cell::new(false);
        let tar = Capped { inner: GzDecoder::new(self.bytes), left: most, is_over: &is_over };
        let read = eryx_vfs::for_each_entry(tar, |entry| {
            let path = String::from_utf8(entry.path_bytes().into_owned())
                .map_err(|error| Stop(PackageError::BadName(error.to_string())))?;
            let path = path.strip_prefix("./").unwrap_or(&path);
            let kind = entry.header().entry_type();
            match kind {
                EntryType::XGlobalHeader => return Ok(()),
                EntryType::Directory if path.is_empty() => return Ok(()),
                EntryType::Directory | EntryType::Regular => name::check(path).map_err(Stop)?,
                _ => return Err(Stop(PackageError::BadName(path.to_owned()))),
            }
            // Old archives have no other sign of a folder.
            let is_file = kind == EntryType::Regular && !path.ends_with('/');
            match path.split_once('/').filter(|_| is_file) {
                Some((_, path)) => each(path, entry).map_err(Stop),
                None => Ok(()),
            }
        });
        match read {
            Err(_) if is_over.get() && most == self.room => {
                Err(PackageError::TooLarge { what: "what is in it", size: most, limit: most })
            }
            Err(_) if is_over.get() => {
                Err(PackageError::Ratio { packed: self.packed, unpacked: most })
            }
            read => read.map_err(|Stop(error)| error),
        }
    }
}

/// A stream that fails when there is more of it than allowed.
struct Capped<'a, R> {
    inner: R,
    left: u64,
    is_over: &'a Cell<bool>,
}

impl<R: Read> Read for Capped<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let Some(left) = self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) else {
            self.is_over.set(true);
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.left = left;
        Ok(read)
    }
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
            // With the two blocks that are the end.
            assert_eq!(unpacked.is_ok(), blocks > 9, "{blocks}: {unpacked:?}");
        }
    }
}
