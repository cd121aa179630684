//! Programs that compute: time in the sandbox over native time.

use crate::figure::{Figure, Figures, milliseconds};
use crate::{run, runtime};
use std::fs;
use std::path::Path;
use std::process::Command;

const TIMED: &str = "import sys, time\n\
    code = compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')\n\
    start = time.perf_counter()\nexec(code, {'__name__': '__main__'})\n\
    print((time.perf_counter() - start) * 1e3, file=sys.stderr)";

pub(crate) fn measure(figures: &mut Figures, python: &str, programs: &str) {
    let mut files: Vec<_> =
        fs::read_dir(programs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "py")) {
        let name = file.file_stem().unwrap().to_string_lossy();
        figures.insert(format!("cpu_{name}_x"), ratio(python, file));
    }
}

/// Each pair is taken back to back.
fn ratio(python: &str, file: &Path) -> Figure {
    let code = fs::read_to_string(file).unwrap();
    let runtime = runtime();
    run(&runtime, "x=1");
    let pair = || {
        let native = Command::new(python).args(["-I", "-c", TIMED]).arg(file).output().unwrap();
        let native_ms: f64 = String::from_utf8(native.stderr).unwrap().trim().parse().unwrap();
        let mut printed = String::new();
        let ms = milliseconds(|| printed = run(&runtime, &code));
        assert_eq!(printed.as_bytes(), native.stdout);
        ms / native_ms
    };
    Figure::of((0..5).map(|_| pair()).collect())
}
