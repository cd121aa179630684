//! Guest paths, taken apart and checked before anything else looks at them.

use crate::{FsError, FsResult};

/// The longest name, in bytes.
pub(crate) const LONGEST_NAME: usize = 255;
/// The longest path and the longest target of a symbolic link, in bytes.
pub(crate) const LONGEST_PATH: usize = 4096;
/// How many symbolic links one path may lead through.
pub(crate) const MOST_LINKS: u32 = 40;

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// `..`
    Up,
    /// Into the entry of that name, which [`check_name`] accepts.
    Into(&'a str),
}

/// A path whose names and length are within the limits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way<'a> {
    /// Whether it starts at the root.
    pub(crate) absolute: bool,
    /// The steps, without `.` and empty ones.
    pub(crate) steps: Vec<Step<'a>>,
    /// Whether what it names has to be a directory: it ends in `/` or `.`.
    pub(crate) directory: bool,
}

impl<'a> Way<'a> {
    pub(crate) fn parse(path: &'a str) -> FsResult<Self> {
        if path.is_empty() {
            return Err(FsError::NoEntry);
        }
        if path.len() > LONGEST_PATH {
            return Err(FsError::NameTooLong);
        }
        let mut steps = Vec::new();
        let mut directory = false;
        for part in path.split('/') {
            directory = matches!(part, "" | "." | "..");
            match part {
                "" | "." => {}
                ".." => steps.push(Step::Up),
                name => {
                    check_name(name)?;
                    steps.push(Step::Into(name));
                }
            }
        }
        Ok(Self { absolute: path.starts_with('/'), steps, directory })
    }
}

/// Refuses what cannot be the name of an entry.
pub(crate) fn check_name(name: &str) -> FsResult<()> {
    if name.len() > LONGEST_NAME {
        return Err(FsError::NameTooLong);
    }
    if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\0']) {
        return Err(FsError::Invalid);
    }
    Ok(())
}

/// Refuses what cannot be the target of a symbolic link.
pub(crate) fn check_target(target: &str) -> FsResult<()> {
    if target.is_empty() {
        return Err(FsError::NoEntry);
    }
    if target.len() >= LONGEST_PATH {
        return Err(FsError::NameTooLong);
    }
    if target.contains('\0') {
        return Err(FsError::Invalid);
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn parsed(path: &str) -> (bool, Vec<Step<'_>>, bool) {
        let steps = Way::parse(path).expect("the path is plain");
        (steps.absolute, steps.steps, steps.directory)
    }

    #[test]
    fn steps_of_plain_paths() {
        assert_eq!(parsed("a/b"), (false, vec![Step::Into("a"), Step::Into("b")], false));
        assert_eq!(parsed("/"), (true, vec![], true));
        assert_eq!(parsed("//a/./b/"), (true, vec![Step::Into("a"), Step::Into("b")], true));
        assert_eq!(parsed("../x"), (false, vec![Step::Up, Step::Into("x")], false));
        assert_eq!(parsed("x/.."), (false, vec![Step::Into("x"), Step::Up], true));
    }

    #[test]
    fn refused_paths() {
        assert_eq!(Way::parse(""), Err(FsError::NoEntry));
        assert_eq!(Way::parse("a\0b"), Err(FsError::Invalid));
        assert_eq!(Way::parse(&"n".repeat(256)), Err(FsError::NameTooLong));
        assert_eq!(Way::parse(&"n/".repeat(2049)), Err(FsError::NameTooLong));
        assert!(Way::parse(&"n".repeat(255)).is_ok());
    }
}
