//! A session that goes on where the last run of this program left it: its snapshot
//! is a file.
//!
//! ```sh
//! cargo run --example snapshot_file session.snapshot   # 1
//! cargo run --example snapshot_file session.snapshot   # 2
//! ```
#![expect(clippy::print_stdout, reason = "it is a command-line program")]

use anyhow::{Context, Result};
use eryx::{PythonStateSnapshot, Sandbox, SnapshotOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};
use tempfile::NamedTempFile;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = env::args_os().nth(1).context("name the file to keep the session in")?;
    let path = PathBuf::from(path);
    let session = Sandbox::embedded().build()?.session().await?;
    if let Some(snapshot) = load(&path)? {
        session.restore_state(&snapshot).await?;
    }
    let program = "open('visits.txt', 'a').write('x')\nprint(len(open('visits.txt').read()))";
    let output = session.execute(program).await?;
    print!("{}", output.stdout);

    // With what the program has written to files.
    let options = SnapshotOptions::default().with_files(true);
    let (snapshot, _) = session.snapshot_state_with(&options).await?;
    save(&path, &snapshot)
}

fn load(path: &Path) -> Result<Option<PythonStateSnapshot>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let snapshot = PythonStateSnapshot::from_bytes(&bytes);
    Ok(Some(snapshot.with_context(|| format!("{} cannot be used", path.display()))?))
}

/// Whoever reads finds the old file or the new one, and never part of one.
fn save(path: &Path, snapshot: &PythonStateSnapshot) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&snapshot.to_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
