//! One column of the comparison that `cargo xtask bench` prints: measures and
//! prints JSON with the keys that all columns share.
//!
//! Arguments: the native Python, the folder with the programs, the `eryx`
//! program.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod callbacks;
mod figure;
mod first;
mod fresh;
mod memory;
mod programs;
mod session;
mod sleeper;

use eryx::{ResourceLimits, Sandbox};
use figure::{Figures, print};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match &arguments[..] {
        [what] if what == memory::HERE => memory::measure_here(),
        [what, instances] if what == first::HERE => first::measure_here(instances),
        [python, programs, eryx] => {
            let mut figures = Figures::new();
            fresh::measure(&mut figures, eryx);
            first::measure(&mut figures);
            session::measure(&mut figures);
            callbacks::measure(&mut figures);
            programs::measure(&mut figures, python, programs);
            print(&figures);
            memory::measure();
        }
        // Cargo runs every bench: without arguments there is nothing to compare.
        _ => {}
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// What a fresh interpreter prints.
fn run(runtime: &Runtime, code: &str) -> String {
    let limits = ResourceLimits::default().with_timeout(Duration::from_mins(2));
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    runtime.block_on(sandbox.execute(code)).unwrap().stdout.into_string()
}
