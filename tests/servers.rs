//! Servers that are programs of their own: the machine's, or fetched by
//! `cargo xtask ci`. A test that finds none says so and ends, but not in CI.

#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a test needs and has not got. Where nothing may be missing, as in
/// `cargo xtask ci`, the test fails.
pub(crate) fn missing(what: &str) {
    missing_where(what, std::env::var_os("ERYX_TEST_REQUIRE").is_some());
}

fn missing_where(what: &str, all_is_required: bool) {
    assert!(!all_is_required, "{what}, and ERYX_TEST_REQUIRE is set");
    println!("skipped: {what}");
}

#[test]
#[should_panic(expected = "there is no nginx, and ERYX_TEST_REQUIRE is set")]
fn what_is_required_fails_where_it_is_missing() {
    missing_where("there is no redis", false);
    missing_where("there is no nginx", true);
}

/// Where `cargo xtask ci` has put the servers that are not installed: like `/`.
fn fetched() -> Option<PathBuf> {
    std::env::var_os("ERYX_TEST_SERVERS").map(PathBuf::from)
}

/// A program of the machine, or one that was fetched.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin".into(), "/usr/local/sbin".into()];
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).chain(more).collect();
    if let Some(fetched) = fetched() {
        folders.extend(["usr/bin", "usr/sbin"].map(|folder| fetched.join(folder)));
        let versions = fs::read_dir(fetched.join("usr/lib/postgresql")).into_iter().flatten();
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        missing(&format!("there is no {name} on this machine"));
    }
    found
}

/// Starts it with the libraries that were fetched with it.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(fetched) = fetched().filter(|fetched| program.starts_with(fetched)) {
        let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
        command.env("LD_LIBRARY_PATH", fetched.join("usr/lib").join(triple));
    }
    command
}

/// A server that ends with the test.
pub(crate) struct Peer {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

/// How long a server may take until it listens.
const START: Duration = Duration::from_mins(1);

impl Peer {
    /// Starts what `command` makes of a free port and an empty folder, and waits
    /// until it listens.
    pub(crate) fn start(command: impl FnOnce(u16, &Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = command(port, folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut peer = Self { child, port, _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(ended) = peer.child.try_wait().unwrap() {
                panic!("the server ended: {ended}");
            }
            assert!(begun.elapsed() < START, "the server does not listen after {START:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
