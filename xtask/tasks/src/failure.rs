//! What goes wrong outside of this project, each with an exit status of its own.

use anyhow::Error;
use std::env;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// A reason to stop that the user can do something about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("what was fetched is not what it must be: {0}")]
    WrongHash(String),
    #[error("it could not be fetched: {0}")]
    Unreachable(String),
    #[error("the disk is full")]
    FullDisk,
    #[error("{0} cannot be started: is it installed?")]
    MissingTool(String),
}

/// For `--help`.
pub(crate) const STATUSES: &str = "\
Exit status: 0 if all is well, 1 if a step or a check failed, 2 for wrong arguments,
76 if something fetched has the wrong hash, 69 if something could not be fetched,
73 if the disk is full, 127 if a program is missing. `run` ends with the program's own.";

impl Failure {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::WrongHash(_) => 76,
            Self::Unreachable(_) => 69,
            Self::FullDisk => 73,
            Self::MissingTool(_) => 127,
        }
    }

    /// What a helper program says by ending so: it uses the same numbers.
    pub(crate) fn of_status(status: i32, said: String) -> Option<Self> {
        let all = [Self::WrongHash(said.clone()), Self::Unreachable(said.clone()), Self::FullDisk];
        let all = all.into_iter().chain([Self::MissingTool(said)]);
        all.into_iter().find(|failure| i32::from(failure.status()) == status)
    }

    /// The failure that an error stands for, if it is one of these.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let known = error.downcast_ref::<Self>().cloned();
        known.or_else(|| {
            let full = |cause: &io::Error| is_full(cause.kind());
            error
                .chain()
                .any(|cause| cause.downcast_ref().is_some_and(full))
                .then_some(Self::FullDisk)
        })
    }
}

/// Says so if work in `folder` failed because the disk is full: the programs that
/// we call each have their own words for it, and those that fetch call it a failed
/// download.
pub(crate) fn explained(error: Error, folder: &Path) -> Error {
    explained_where(error, || cannot_write(folder) || cannot_write(&env::temp_dir()))
}

fn explained_where(error: Error, is_full: impl FnOnce() -> bool) -> Error {
    if matches!(Failure::of(&error), None | Some(Failure::Unreachable(_))) && is_full() {
        return error.context(Failure::FullDisk);
    }
    error
}

/// Whether there is no room for a file of some size.
fn cannot_write(folder: &Path) -> bool {
    const SIZE: usize = 8 << 20;
    let written = tempfile::tempfile_in(folder)
        .and_then(|mut file| file.write_all(&vec![1; SIZE]).and_then(|()| file.sync_all()));
    written.is_err_and(|error| is_full(error.kind()))
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::{Failure, explained, explained_where};
    use anyhow::{Context, Error, anyhow};
    use std::io::{self, ErrorKind};

    #[test]
    fn a_failure_is_found_below_what_was_being_done() {
        for failure in [
            Failure::WrongHash("x".into()),
            Failure::Unreachable("x".into()),
            Failure::FullDisk,
            Failure::MissingTool("x".into()),
        ] {
            let status = failure.status();
            assert_eq!(Failure::of_status(status.into(), "x".into()), Some(failure.clone()));
            let error = Error::new(failure.clone()).context("could not fetch").context("no build");
            assert_eq!(Failure::of(&error), Some(failure.clone()));
            let beside = anyhow!("exit status 1").context(failure.clone()).context("no build");
            assert_eq!(Failure::of(&beside), Some(failure));
        }
        assert_eq!(Failure::of_status(1, String::new()), None);
        assert_eq!(Failure::of(&anyhow!("a check failed")), None);
    }

    #[test]
    fn a_full_disk_is_known_by_its_kind() {
        let full: Result<(), _> = Err(io::Error::from(ErrorKind::StorageFull));
        let error = full.context("cannot write").context("could not build").unwrap_err();
        assert_eq!(Failure::of(&error), Some(Failure::FullDisk));
        let other: Result<(), _> = Err(io::Error::from(ErrorKind::PermissionDenied));
        assert_eq!(Failure::of(&other.context("cannot write").unwrap_err()), None);
    }

    #[test]
    fn an_error_on_a_disk_with_room_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let error = explained(anyhow!("`make` failed"), folder.path());
        assert_eq!(Failure::of(&error), None);
        assert_eq!(error.to_string(), "`make` failed");
    }

    #[test]
    fn a_download_to_a_full_disk_is_no_fault_of_the_network() {
        let unreachable = Error::new(Failure::Unreachable("x".into()));
        let error = explained_where(unreachable, || true);
        assert_eq!(Failure::of(&error), Some(Failure::FullDisk));
        let wrong = Error::new(Failure::WrongHash("x".into()));
        let error = explained_where(wrong, || true);
        assert_eq!(Failure::of(&error), Some(Failure::WrongHash("x".into())));
    }
}
