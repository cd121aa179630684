//! Sessions by name in a SQLite database, each of them one whole interpreter:
//! generators go on in the middle.
//!
//! ```sh
//! cargo run --example snapshot_sqlite sessions.db anna   # 1
//! cargo run --example snapshot_sqlite sessions.db bert   # 1
//! cargo run --example snapshot_sqlite sessions.db anna   # 2
//! ```
#![expect(clippy::print_stdout, reason = "it is a command-line program")]

use anyhow::{Context, Result};
use eryx::{PythonImageSnapshot, Sandbox, Session};
use rusqlite::{Connection, OptionalExtension, params};
use std::env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (path, name) = arguments.next().zip(arguments.next()).context("name database and user")?;
    let database = Connection::open(path)?;
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS sessions (name TEXT PRIMARY KEY, image BLOB NOT NULL)",
    )?;

    let session = open(&Sandbox::embedded().build()?, &database, &name).await?;
    let output = session.execute("print(next(numbers))").await?;
    print!("{}", output.stdout);

    let image = session.snapshot_image().await?.to_bytes();
    database
        .execute("INSERT OR REPLACE INTO sessions VALUES (?1, ?2)", params![name, image])
        .context("the session was not saved")?;
    Ok(())
}

async fn open(sandbox: &Sandbox, database: &Connection, name: &str) -> Result<Session> {
    let saved: Option<Vec<u8>> = database
        .query_row("SELECT image FROM sessions WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    let Some(bytes) = saved else {
        let session = sandbox.session().await?;
        session.execute("import itertools\nnumbers = itertools.count(1)").await?;
        return Ok(session);
    };
    let image = PythonImageSnapshot::from_bytes(&bytes)
        .with_context(|| format!("what was saved for {name} cannot be used"))?;
    Ok(Session::from_image(sandbox, &image).await?)
}
