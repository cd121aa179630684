//! The first session of a process: with nothing done ahead, and warmed up.

use crate::figure::{Figure, Figures, timed};
use crate::runtime;
use crate::session::TEN_VARIABLES;
use eryx::Sandbox;
use std::process::Command;

/// The argument of the process that measures itself; how many instances it makes ahead
/// comes next.
pub(crate) const HERE: &str = "first";

const PROCESSES: usize = 10;
const WHAT: [&str; 3] = ["open", "save", "restore"];

pub(crate) fn measure(figures: &mut Figures) {
    for (instances, kind) in [("0", ""), ("2", "_warm")] {
        let all: Vec<Vec<f64>> = (0..PROCESSES).map(|_| of_a_process(instances)).collect();
        for (index, what) in WHAT.iter().enumerate() {
            let took = all.iter().map(|one| one[index]).collect();
            figures.insert(format!("first_{what}{kind}_ms"), Figure::of(took));
        }
    }
}

fn of_a_process(instances: &str) -> Vec<f64> {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args([HERE, instances]).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|took| took.parse().unwrap()).collect()
}

#[expect(clippy::print_stdout, reason = "the process that has started this one reads it")]
pub(crate) fn measure_here(instances: &str) {
    let runtime = runtime();
    let sandbox = Sandbox::embedded().build().unwrap();
    let instances = instances.parse().unwrap();
    if instances > 0 {
        runtime.block_on(sandbox.warm_up(instances)).unwrap();
    }
    let (open, session) = timed(|| {
        let session = runtime.block_on(sandbox.session()).unwrap();
        runtime.block_on(session.execute(TEN_VARIABLES)).unwrap();
        session
    });
    let (save, state) = timed(|| runtime.block_on(session.snapshot_state()).unwrap());
    let (restore, _session) = timed(|| {
        let session = runtime.block_on(sandbox.session()).unwrap();
        runtime.block_on(session.restore_state(&state)).unwrap();
        session
    });
    println!("{open} {save} {restore}");
}
