//! What live sessions take, in a process of their own: what ran before leaves
//! warm memory behind.

use crate::figure::{Figure, Figures, milliseconds, print};
use crate::runtime;
use eryx::{Sandbox, Session};
use std::process::Command;

/// The argument of the process that measures memory.
pub(crate) const HERE: &str = "memory";

const SESSIONS: [usize; 4] = [1, 10, 100, 2000];

/// A line of its own, printed by another process.
pub(crate) fn measure() {
    let program = std::env::current_exe().unwrap();
    assert!(Command::new(program).arg(HERE).status().unwrap().success());
}

pub(crate) fn measure_here() {
    let runtime = runtime();
    let sandbox = Sandbox::embedded().build().unwrap();
    let open = || {
        runtime.block_on(async {
            let session = sandbox.session().await.unwrap();
            session.execute("x=1").await.unwrap();
            session
        })
    };
    drop(open());
    let before = pss();
    let mut figures = Figures::new();
    let mut held = Vec::new();
    for count in SESSIONS {
        held.extend((held.len()..count).map(|_| open()));
        figures.insert(format!("mem_{count}_pss_mb"), Figure::once(pss() - before));
    }
    let each = (figures["mem_100_pss_mb"].median - figures["mem_10_pss_mb"].median) / 90.0;
    figures.insert("mem_each_pss_mb".to_owned(), Figure::once(each));
    let run =
        |session: &Session| milliseconds(|| runtime.block_on(session.execute("x += 1")).unwrap());
    let among = Figure::repeat(2000, || run(&held[1000]));
    figures.insert("session_exec_among_2000_ms".to_owned(), among);
    for session in &held {
        run(session);
    }
    let in_turn = Figure::of(held.iter().map(run).collect());
    figures.insert("session_exec_in_turn_ms".to_owned(), in_turn);
    print(&figures);
}

/// What this process takes, MiB; memory that several share is counted in parts.
fn pss() -> f64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
