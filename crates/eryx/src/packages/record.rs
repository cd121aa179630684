use super::{MOST_ENTRIES, PackageError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::collections::HashMap;

/// A wheel's list of its files: hash and size of each.
pub(super) struct Record(HashMap<String, (String, String)>);

impl Record {
    pub(super) fn parse(text: &str) -> Result<Self, PackageError> {
        let mut files = HashMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if files.len() >= MOST_ENTRIES {
                return Err(PackageError::TooMany(files.len()));
            }
            let bad = || PackageError::Damaged(format!("its RECORD has the line {line:?}"));
            // The name may be in quotes and hold commas; hash and size do not.
            let mut fields = line.trim_end().rsplitn(3, ',');
            let (size, hash, name) = (fields.next(), fields.next(), fields.next());
            let (Some(size), Some(hash), Some(name)) = (size, hash, name) else {
                return Err(bad());
            };
            let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => name.to_owned(),
            };
            if files.insert(name.clone(), (hash.to_owned(), size.to_owned())).is_some() {
                return Err(PackageError::Twice(name));
            }
        }
        Ok(Self(files))
    }

    /// Checks a file off the list.
    pub(super) fn check(&mut self, file: &str, bytes: &[u8]) -> Result<(), PackageError> {
        let differs = |why| PackageError::Record { file: file.to_owned(), why };
        let (hash, size) = self.0.remove(file).ok_or_else(|| differs("it is not listed"))?;
        if !size.is_empty() && size != bytes.len().to_string() {
            return Err(differs("its size is another"));
        }
        let (kind, wanted) = hash.split_once('=').unwrap_or_default();
        let hash = match kind {
            "sha256" => URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)),
            "sha384" => URL_SAFE_NO_PAD.encode(Sha384::digest(bytes)),
            "sha512" => URL_SAFE_NO_PAD.encode(Sha512::digest(bytes)),
            _ => return Err(differs("it has no hash of SHA-256 or better there")),
        };
        if hash != wanted.trim_end_matches('=') {
            return Err(differs("its hash is another"));
        }
        Ok(())
    }

    /// What was listed and never came.
    pub(super) fn finish(mut self, record: &str) -> Result<(), PackageError> {
        self.0.remove(record);
        match self.0.into_keys().min() {
            None => Ok(()),
            Some(file) => Err(PackageError::Record { file, why: "it is not in the wheel" }),
        }
    }
}
