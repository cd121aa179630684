//! GNU make, which CPython's build goes by: the machine's, or one that pip has.

use super::jobs;
use super::sources::Wheel;
use super::wheels;
use crate::command::{output, run};
use crate::progress::Meter;
use crate::workshop::Workshop;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Make(PathBuf);

impl Make {
    /// Fetches it only if the machine has none.
    pub(crate) fn new(shop: &mut Workshop, wheel: &Wheel) -> Result<Self> {
        let own = output(Command::new("make").arg("--version"));
        if own.is_ok_and(|text| text.contains("GNU Make")) {
            return Ok(Self("make".into()));
        }
        let made = wheels::make(shop, wheel).context("this machine has no GNU make; install it")?;
        Ok(Self(made.folder.join("bin/make")))
    }

    pub(crate) fn command(&self, folder: &Path, targets: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir(folder).arg(format!("-j{}", jobs())).args(targets);
        command
    }

    /// Makes `targets` in `folder`, which prints some number of `lines`.
    pub(crate) fn run(
        &self,
        folder: &Path,
        targets: &[&str],
        meter: &Meter,
        lines: u32,
    ) -> Result<()> {
        run(&mut self.command(folder, targets), &folder.join("make.log"), meter, lines)
    }
}
