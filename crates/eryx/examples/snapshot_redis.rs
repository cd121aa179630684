//! A session that wanders from machine to machine by way of Redis. Others can write
//! there too, so that each snapshot is tagged with a key that they do not have.
//!
//! ```sh
//! export SESSION_KEY=32-bytes-that-nobody-else-knows!
//! cargo run --example snapshot_redis redis://127.0.0.1/ session   # 1
//! cargo run --example snapshot_redis redis://127.0.0.1/ session   # 2, anywhere
//! ```
#![expect(clippy::print_stdout, reason = "it is a command-line program")]

use anyhow::{Context, Result, anyhow};
use eryx::{PythonStateSnapshot, Sandbox};
use redis::Commands;
use std::env;

/// For how long a session that is not used is kept, in seconds.
const KEPT: u64 = 24 * 60 * 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (url, name) = arguments.next().zip(arguments.next()).context("name server and session")?;
    let key = key()?;
    let mut redis = redis::Client::open(url)?.get_connection()?;

    let session = Sandbox::embedded().build()?.session().await?;
    let saved: Option<Vec<u8>> = redis.get(&name)?;
    match saved {
        Some(bytes) => {
            let snapshot = PythonStateSnapshot::from_bytes_with_key(&bytes, &key)
                .with_context(|| format!("what Redis has as {name} cannot be used"))?;
            session.restore_state(&snapshot).await?;
        }
        None => drop(session.execute("def count(): global x; x += 1; return x\nx = 0").await?),
    }
    let output = session.execute("print(count())").await?;
    print!("{}", output.stdout);

    let bytes = session.snapshot_state().await?.to_bytes_with_key(&key);
    redis.set_ex::<_, _, ()>(&name, bytes, KEPT)?;
    Ok(())
}

fn key() -> Result<[u8; 32]> {
    let text = env::var("SESSION_KEY").context("SESSION_KEY is not set")?;
    text.into_bytes().try_into().map_err(|_| anyhow!("SESSION_KEY must have 32 bytes"))
}
