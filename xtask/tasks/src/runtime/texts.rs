//! Texts of licences, from where the sources are.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The folders of all that the runtime is made of, by the names in `sources.toml`.
pub(crate) struct Texts(pub(crate) BTreeMap<String, PathBuf>);

impl Texts {
    /// `python:LICENSE`, or `sqlite:sqlite3.h#11` for eleven lines of it.
    pub(crate) fn text(&self, place: &str) -> Result<String> {
        let Some((file, count)) = place.split_once('#') else { return self.read(place) };
        let count = count.parse().with_context(|| format!("{place} has no number of lines"))?;
        let text = self.read(file)?;
        Ok(text.lines().take(count).map(|line| line.to_owned() + "\n").collect())
    }

    /// An error unless the file has these lines.
    pub(crate) fn must_say(&self, file: &str, words: &[String]) -> Result<()> {
        let text = self.read(file)?;
        for line in words {
            ensure!(
                text.lines().any(|found| found == line),
                "{file} does not say `{line}`: another version than in sources.toml?"
            );
        }
        Ok(())
    }

    fn read(&self, place: &str) -> Result<String> {
        let (owner, path) = place.split_once(':').unwrap_or(("", place));
        let folder = self.0.get(owner).with_context(|| format!("nobody knows whose {place} is"))?;
        let path = folder.join(path);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::Texts;
    use std::fs;

    #[test]
    fn a_file_or_its_first_lines() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("LICENSE"), "one\r\ntwo\nthree\n").unwrap();
        let texts = Texts([("a".to_owned(), folder.path().to_owned())].into());
        assert_eq!(texts.text("a:LICENSE").unwrap(), "one\ntwo\nthree\n");
        assert_eq!(texts.text("a:LICENSE#2").unwrap(), "one\ntwo\n");
        for wrong in ["a:LICENCE", "b:LICENSE", "LICENSE", "a:LICENSE#two"] {
            assert!(texts.text(wrong).is_err(), "{wrong}");
        }
        assert!(texts.must_say("a:LICENSE", &["two".to_owned()]).is_ok());
        let error = texts.must_say("a:LICENSE", &["tw".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("another version"), "{error}");
    }
}
