//! Keys of cached work: a hash of everything that the result depends on.

use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A finished key; its text form names a folder in the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(blake3::Hash);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex()[..16])
    }
}

impl Key {
    /// Starts a key for one kind of work.
    pub(crate) fn of(work: &str) -> KeyBuilder {
        KeyBuilder(blake3::Hasher::new()).text(work)
    }
}

/// Collects what a result depends on. The order matters.
pub(crate) struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    pub(crate) fn key(mut self, key: Key) -> Self {
        self.add(key.0.as_bytes());
        self
    }

    /// All files below `folder`, by relative name and content.
    pub(crate) fn tree(mut self, folder: &Path) -> Result<Self> {
        for file in files_below(folder)? {
            let name = file.strip_prefix(folder).unwrap_or(&file);
            self.add(name.to_string_lossy().as_bytes());
            let content =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            self.add(&content);
        }
        Ok(self)
    }

    pub(crate) fn done(self) -> Key {
        Key(self.0.finalize())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

/// Every file below `folder`, sorted; byte code caches are left out.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "__pycache__") {
                    folders.push(path);
                }
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::Key;
    use std::fs;

    #[test]
    fn each_input_and_the_order_count() {
        let keys = [
            Key::of("a").done(),
            Key::of("b").done(),
            Key::of("a").text("x").done(),
            Key::of("a").text("x").text("y").done(),
            Key::of("a").text("y").text("x").done(),
            Key::of("a").text("xy").done(),
            Key::of("a").key(Key::of("x").done()).done(),
        ];
        for (number, key) in keys.iter().enumerate() {
            assert!(!keys[..number].contains(key), "two keys are the same");
        }
        assert!(Key::of("a").text("x").done() == keys[2]);
    }

    #[test]
    fn a_tree_is_its_files_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let key = || Key::of("a").tree(folder.path()).unwrap().done();
        let file = folder.path().join("b/c");
        fs::create_dir_all(folder.path().join("b/__pycache__")).unwrap();
        fs::write(&file, "1").unwrap();
        let first = key();
        fs::write(folder.path().join("b/__pycache__/c"), "").unwrap();
        assert!(key() == first, "byte code that Python keeps is no input");
        fs::write(&file, "2").unwrap();
        assert!(key() != first);
        fs::rename(&file, folder.path().join("b/d")).unwrap();
        fs::write(folder.path().join("b/d"), "1").unwrap();
        assert!(key() != first);
        assert!(Key::of("a").tree(&file).is_err());
    }
}
