//! Real programs print what they print under native Python.

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

        /// The native Python that built the runtime prints what is recorded.
        #[test]
        fn recorded_is_native() {
            let path = repository().join("target/runtime/native-python.txt");
            let python = fs::read_to_string(path).unwrap();
            for name in [$(stringify!($name)),*] {
                let file = folder().join(name).with_extension("py");
                if !runs_natively(&python, name) {
                    continue;
                }
                let output = Command::new(&python)
                    .args(["-I", "-X", "utf8"])
                    .arg(&file)
                    .output()
                    .unwrap();
                assert_eq!(String::from_utf8(output.stdout).unwrap(), expected(name), "{name}");
            }
        }
    };
}

/// A machine without SQLite's headers has a native Python without `sqlite3`.
fn runs_natively(python: &str, name: &str) -> bool {
    let sqlite = Command::new(python).args(["-I", "-c", "import sqlite3"]).output().unwrap();
    name != "sqlite_report" || sqlite.status.success()
}

programs! {
    csv_summary
    job_queue
    log_analysis
    simulation
    sqlite_report
}
