//! Steps whose results are kept in the cache, each in a folder named by the
//! hash of its inputs.

use crate::key::Key;
use crate::progress::{Meter, Progress, timed};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Marks a folder whose step ran to its end.
const DONE: &str = ".done";

pub(crate) struct Workshop {
    root: PathBuf,
    pub(crate) progress: Progress,
}

/// What a step is called, and the seconds it takes on two cores.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) seconds: u64,
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
        Ok(Self { root, progress })
    }

    /// Runs `work` in the step's folder, unless that was done before. Work that
    /// was broken off finds its folder as it left it and goes on from there.
    pub(crate) fn step(
        &mut self,
        step: Step,
        key: Key,
        work: impl FnOnce(&Path, &Meter) -> Result<()>,
    ) -> Result<Made> {
        let folder = self.root.join(format!("{}-{key}", step.name));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = File::create(folder.with_extension("lock"))?;
        lock.lock().context("cannot lock the cache folder")?;
        if folder.join(DONE).exists() {
            self.progress.skip(step.what, step.seconds);
            return Ok(Made { folder, key });
        }
        let meter = self.progress.start(step.what, step.seconds);
        let (result, took) = timed(|| work(&folder, &meter));
        result.with_context(|| format!("could not {}", step.what))?;
        fs::write(folder.join(DONE), "")?;
        self.progress.finish(step.what, step.seconds, took);
        Ok(Made { folder, key })
    }
}
