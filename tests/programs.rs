//! Real programs print what they print under native Python.

use crate::servers::missing;
use crate::support::{repository, sandbox};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn folder() -> PathBuf {
    repository().join("tests/programs")
}

/// What native CPython of the same version printed; see `recorded_is_native`.
fn expected(name: &str) -> String {
    fs::read_to_string(folder().join(name).with_extension("out")).unwrap()
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let file = concat!(stringify!($name), ".py");
                let code = fs::read_to_string(folder().join(file)).unwrap();
                let output = sandbox().execute(code).await.unwrap();
                assert_eq!(output.stderr, "");
                assert_eq!(output.stdout, expected(file));
                assert_eq!(output.exit_status, 0);
            }
        )*

        /// A program without a test would be a promise that nobody checks.
        #[test]
        fn every_program_has_a_test() {
            let mut found: Vec<String> = fs::read_dir(folder())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($name)),*]);
        }

        /// Python of the very version prints what is recorded.
        #[test]
        fn recorded_is_native() {
            for name in [$(stringify!($name)),*] {
                let Some(python) = python_for(name) else { continue };
                let output = Command::new(&python)
                    .args(["-I", "-X", "utf8"])
                    .arg(folder().join(name).with_extension("py"))
                    .output()
                    .unwrap();
                assert_eq!(String::from_utf8(output.stdout).unwrap(), expected(name), "{name}");
            }
        }
    };
}

/// The native Python that built the runtime.
pub(crate) fn native() -> String {
    fs::read_to_string(repository().join("target/runtime/native-python.txt")).unwrap()
}

/// The native Python to compare with. On a machine without SQLite's headers it
/// has no `sqlite3`: then the machine's own, if that has it.
fn python_for(name: &str) -> Option<String> {
    let native = native();
    if name != "sqlite_report" {
        return Some(native);
    }
    let found = [native, "python3".to_owned()].into_iter().find(|python| {
        let mut command = Command::new(python);
        let probe = command.args(["-I", "-c", "import sqlite3"]).output();
        probe.is_ok_and(|ended| ended.status.success())
    });
    if found.is_none() {
        missing(&format!("no Python on this machine has sqlite3, which {name} needs"));
    }
    found
}

programs! {
    csv_summary
    event_loop
    job_queue
    log_analysis
    simulation
    sqlite_report
}
