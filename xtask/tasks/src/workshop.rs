//! Steps whose results are kept in the cache, each in a folder named by the
//! hash of its inputs.

use crate::failure::{Failure, explained};
use crate::key::Key;
use crate::progress::{Meter, Progress, timed};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Marks a folder whose step ran to its end: the hashes of its results.
const DONE: &str = ".done";

pub(crate) struct Workshop {
    root: PathBuf,
    pub(crate) progress: Progress,
    /// The folders of all steps up to now.
    pub(crate) used: Vec<PathBuf>,
}

/// What a step is called, and the seconds it takes on two cores.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) seconds: u64,
    /// Files that other steps use, small enough to be read each time: a folder in
    /// which one has changed is made anew.
    pub(crate) results: &'static [&'static str],
}

/// A step's result.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) folder: PathBuf,
    pub(crate) key: Key,
}

impl Workshop {
    pub(crate) fn new(root: PathBuf, progress: Progress) -> Result<Self> {
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot create the cache folder {}", root.display()))?;
        Ok(Self { root, progress, used: Vec::new() })
    }

    /// Runs `work` in the step's folder, unless that was done before. Work that
    /// was broken off finds its folder as it left it and goes on from there; if it
    /// cannot, it starts again in an empty one.
    pub(crate) fn step(
        &mut self,
        step: Step,
        key: Key,
        work: impl Fn(&Path, &Meter) -> Result<()>,
    ) -> Result<Made> {
        let folder = self.root.join(format!("{}-{key}", step.name));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        self.used.push(folder.clone());
        let _lock = self.lock(&folder, step)?;
        match fs::read_to_string(folder.join(DONE)) {
            Ok(noted) if seal(&folder, step).is_ok_and(|found| found == noted) => {
                self.progress.skip(step.what, step.seconds);
                return Ok(Made { folder, key });
            }
            Ok(_) => {
                self.progress.say(&format!("  {} is damaged and made anew", folder.display()));
                empty(&folder)?;
            }
            Err(_) => {}
        }
        let meter = self.progress.start(step.what, step.seconds);
        let (result, took) = timed(|| self.work(&folder, &meter, &work));
        result
            .and_then(|()| Ok(fs::write(folder.join(DONE), seal(&folder, step)?)?))
            .with_context(|| format!("could not {}", step.what))?;
        self.progress.finish(step.what, step.seconds, took);
        Ok(Made { folder, key })
    }

    fn work(
        &self,
        folder: &Path,
        meter: &Meter,
        work: &impl Fn(&Path, &Meter) -> Result<()>,
    ) -> Result<()> {
        let resumed = fs::read_dir(folder)?.next().is_some();
        let Err(error) = work(folder, meter) else { return Ok(()) };
        let error = explained(error, folder);
        // What is wrong with the network or the disk is wrong with it still.
        if !resumed || Failure::of(&error).is_some() {
            return Err(error);
        }
        self.progress.say(&format!("  it could not go on, and starts again: {error:#}"));
        empty(folder)?;
        work(folder, meter).map_err(|error| explained(error, folder))
    }

    /// One process at a time works in a folder.
    fn lock(&self, folder: &Path, step: Step) -> Result<File> {
        let lock = File::create(folder.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {
                self.progress.say(&format!("  {}: waiting for another process", step.what));
            }
            Err(TryLockError::Error(_)) => {}
        }
        lock.lock().context("cannot lock the cache folder")?;
        Ok(lock)
    }
}

/// Removes the folders of steps in `root` that are not among those in use and in
/// which nobody works; returns how many.
pub(crate) fn sweep(root: &Path, used: &[PathBuf]) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(root).with_context(|| format!("cannot list {}", root.display()))? {
        let folder = entry?.path();
        // Only steps have a lock beside their folder; it stays for who waits for it.
        let lock = folder.with_extension("lock");
        if !folder.is_dir() || !lock.exists() || used.contains(&folder) {
            continue;
        }
        let lock = File::open(&lock)?;
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
            count += 1;
        }
    }
    Ok(count)
}

/// What the mark of a step that has run says: a line for each result.
fn seal(folder: &Path, step: Step) -> Result<String> {
    let mut seal = String::new();
    for name in step.results {
        let path = folder.join(name);
        let content = fs::read(&path).with_context(|| format!("there is no {}", path.display()))?;
        writeln!(seal, "{} {name}", blake3::hash(&content))?;
    }
    Ok(seal)
}

/// Does what comes first in a step's folder, unless that was done to its end.
pub(crate) fn once(folder: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = folder.join(".prepared");
    if mark.exists() {
        return Ok(());
    }
    work()?;
    fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
}

fn empty(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder)
        .and_then(|()| fs::create_dir(folder))
        .with_context(|| format!("cannot empty {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::{Step, Workshop, once, sweep};
    use crate::failure::Failure;
    use crate::key::Key;
    use crate::progress::Progress;
    use anyhow::{Result, bail};
    use std::cell::RefCell;
    use std::fs;
    use std::path::Path;
    use tempfile::TempDir;

    const STEP: Step = Step { name: "step", what: "do it", seconds: 0, results: &["result"] };

    /// A workshop, and what has been done in it.
    struct Scene {
        folder: TempDir,
        done: RefCell<Vec<&'static str>>,
    }

    impl Scene {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), done: RefCell::default() }
        }

        fn step(&self, key: &str, work: impl Fn(&Path) -> Result<()>) -> Result<super::Made> {
            let mut shop = Workshop::new(self.folder.path().to_owned(), Progress::new(0))?;
            shop.step(STEP, Key::of(key).done(), |folder, _| work(folder))
        }

        /// Does the step as it should be done.
        fn well(&self, key: &str, name: &'static str) -> super::Made {
            self.step(key, |folder| {
                self.done.borrow_mut().push(name);
                Ok(fs::write(folder.join("result"), "good")?)
            })
            .unwrap()
        }

        fn done(&self) -> Vec<&'static str> {
            self.done.borrow().clone()
        }
    }

    #[test]
    fn what_was_done_is_not_done_again_for_the_same_key() {
        let scene = Scene::new();
        let first = scene.well("a", "first");
        assert_eq!(scene.well("a", "second").folder, first.folder);
        assert_eq!(scene.done(), ["first"]);
        assert_ne!(scene.well("b", "other").folder, first.folder);
        assert_eq!(scene.done(), ["first", "other"]);
    }

    #[test]
    fn a_result_that_has_changed_or_is_gone_is_made_anew() {
        let scene = Scene::new();
        let made = scene.well("a", "first");
        let result = made.folder.join("result");
        fs::write(made.folder.join("left over"), "").unwrap();
        fs::write(&result, "bad").unwrap();
        scene.well("a", "second");
        assert_eq!(fs::read_to_string(&result).unwrap(), "good");
        assert!(!made.folder.join("left over").exists(), "the folder was not emptied");
        fs::remove_file(&result).unwrap();
        scene.well("a", "third");
        assert_eq!(scene.done(), ["first", "second", "third"]);
    }

    #[test]
    fn work_that_was_broken_off_goes_on() {
        let scene = Scene::new();
        let broken = scene.step("a", |folder| {
            fs::write(folder.join("half"), "")?;
            bail!("no more")
        });
        assert!(broken.is_err());
        let made = scene.step("a", |folder| {
            assert!(folder.join("half").exists());
            Ok(fs::write(folder.join("result"), "")?)
        });
        assert!(made.is_ok());
    }

    #[test]
    fn what_cannot_go_on_starts_again_once() {
        let scene = Scene::new();
        let refuse = |folder: &Path| -> Result<()> {
            scene.done.borrow_mut().push("tried");
            fs::write(folder.join("half"), "")?;
            bail!("no")
        };
        assert!(scene.step("a", refuse).is_err());
        assert_eq!(scene.done().len(), 1, "an empty folder is tried once");
        let made = scene.step("a", |folder| {
            if folder.join("half").exists() {
                bail!("damaged");
            }
            Ok(fs::write(folder.join("result"), "")?)
        });
        assert!(made.is_ok());
        assert!(scene.step("b", refuse).is_err());
        assert!(scene.step("b", refuse).is_err());
        assert_eq!(scene.done().len(), 4);
    }

    #[test]
    fn without_a_network_nothing_is_thrown_away() {
        let scene = Scene::new();
        let unreachable = |folder: &Path| -> Result<()> {
            fs::write(folder.join("half"), "")?;
            Err(Failure::Unreachable("no network".into()).into())
        };
        for _ in 0..2 {
            let error = scene.step("a", unreachable).err().unwrap();
            assert_eq!(Failure::of(&error), Some(Failure::Unreachable("no network".into())));
        }
        let kept = scene.step("a", |folder| {
            assert!(folder.join("half").exists());
            Ok(fs::write(folder.join("result"), "")?)
        });
        assert!(kept.is_ok());
    }

    #[test]
    fn what_is_not_used_and_not_worked_on_is_swept() {
        let scene = Scene::new();
        let [kept, old, busy] = ["kept", "old", "busy"].map(|key| scene.well(key, key).folder);
        let other = scene.folder.path().join("zig-cache");
        fs::create_dir(&other).unwrap();
        let lock = fs::File::open(busy.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(sweep(scene.folder.path(), std::slice::from_ref(&kept)).unwrap(), 1);
        assert!(kept.exists() && busy.exists() && other.exists() && !old.exists());
        scene.well("old", "again");
    }

    #[test]
    fn preparing_is_done_once_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        assert!(once(folder.path(), || bail!("broken off")).is_err());
        assert!(once(folder.path(), || Ok(())).is_ok());
        assert!(once(folder.path(), || bail!("done again")).is_ok());
    }

    #[test]
    fn a_step_without_its_result_is_not_done() {
        let scene = Scene::new();
        assert!(scene.step("a", |_| Ok(())).is_err());
        scene.well("a", "again");
        assert_eq!(scene.done(), ["again"]);
    }
}
