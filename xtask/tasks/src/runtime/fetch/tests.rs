//! The script against servers of the test's own.

use super::{fetch, host_python};
use crate::failure::Failure;
use crate::progress::Meter;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use tempfile::TempDir;

/// A tar archive of one file, `content`, that is empty.
const ARCHIVE_SHA256: &str = "83dd681bca39fd661d1d5bad646685a7d5a73da5f0a66dd4a814c96cd46e36d4";

fn archive() -> Vec<u8> {
    let mut header = [0; 512];
    for (at, text) in [
        (0, &b"content"[..]),
        (100, b"0000644"),
        (124, b"00000000000"),
        (136, b"00000000000"),
        (148, b"        "),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ] {
        header[at..at + text.len()].copy_from_slice(text);
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [&header[..], &[0; 1024]].concat()
}

/// Answers each request by its path, until the test ends.
fn server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().unwrap().unwrap();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let ok = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let body = archive();
    let reply = match request.split(' ').nth(1).unwrap() {
        "/good" => [ok(body.len()).as_bytes(), &body].concat(),
        "/other" => [ok(5).as_bytes(), b"other"].concat(),
        "/short" => [ok(body.len()).as_bytes(), &body[..100]].concat(),
        "/chunks" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx".to_vec(),
        "/no-http" => b"220 hello, this is mail\r\n".to_vec(),
        "/odd-length" => b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    };
    stream.write_all(&reply).unwrap();
}

struct Scene {
    folder: TempDir,
    server: String,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: server() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Fetches from these paths of the server; returns what went wrong, and the log.
    fn fetch(&self, paths: &[&str]) -> (Option<anyhow::Error>, String) {
        let urls: Vec<_> = paths.iter().map(|path| format!("{}{path}", self.server)).collect();
        self.fetch_from(&urls)
    }

    fn fetch_from(&self, urls: &[String]) -> (Option<anyhow::Error>, String) {
        let mut python = host_python();
        // The machine's proxy does not know these servers.
        python.env("no_proxy", "*");
        let folder = self.folder.path();
        let ended = fetch(&mut python, folder, "a.tar", ARCHIVE_SHA256, urls, &Meter::silent());
        (ended.err(), fs::read_to_string(self.path("fetch.log")).unwrap_or_default())
    }
}

fn failure(error: Option<anyhow::Error>) -> Option<Failure> {
    Failure::of(&error.unwrap())
}

#[test]
fn the_first_place_that_has_it_is_taken() {
    let scene = Scene::new();
    let (error, _) = scene.fetch(&["/good", "/other"]);
    assert!(error.is_none(), "{error:?}");
    assert!(scene.path("content").exists() && !scene.path("a.tar.partial").exists());
    // It is not fetched again.
    fs::remove_file(scene.path("content")).unwrap();
    let (error, _) = scene.fetch_from(&[]);
    assert!(error.is_none(), "{error:?}");
    assert!(scene.path("content").exists());
}

#[test]
fn whatever_is_wrong_with_a_place_the_next_is_tried() {
    for bad in ["/missing", "/other", "/short", "/chunks", "/no-http", "/odd-length"] {
        let scene = Scene::new();
        let (error, _) = scene.fetch(&[bad, "/good"]);
        assert!(error.is_none(), "{bad}: {error:?}");
        assert!(scene.path("content").exists());
    }
    let scene = Scene::new();
    let odd = ["no address", "http://", "http://[", "ftp-like://x/"].map(str::to_owned);
    let urls = [&odd[..], &[format!("{}/good", scene.server)]].concat();
    let (error, _) = scene.fetch_from(&urls);
    assert!(error.is_none(), "{error:?}");
}

#[test]
fn all_that_was_tried_is_listed_in_order() {
    let scene = Scene::new();
    let (error, log) = scene.fetch(&["/missing", "/short", "/chunks", "/no-http"]);
    assert_eq!(failure(error), Some(Failure::Unreachable("a.tar".into())));
    let tried: Vec<_> = log.lines().filter_map(|line| line.split_once("http://")).collect();
    assert_eq!(tried.len(), 4, "{log}");
    for ((_, line), expected) in tried.iter().zip([
        "/missing: HTTP Error 404",
        "/short: broken off after 100 of 1536 bytes",
        "/chunks: IncompleteRead",
        "/no-http: 220 hello",
    ]) {
        assert!(line.contains(expected), "{line}");
    }
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn wrong_content_is_told_with_its_hash_and_not_kept() {
    let scene = Scene::new();
    let (error, log) = scene.fetch(&["/other", "/missing"]);
    assert_eq!(failure(error), Some(Failure::WrongHash("a.tar".into())));
    // SHA-256 of `other`.
    assert!(log.contains("/other: wrong content, sha256 d9298a10d1b07358"), "{log}");
    assert!(!scene.path("a.tar").exists());
}

#[test]
fn a_damaged_archive_is_fetched_again() {
    let scene = Scene::new();
    fs::write(scene.path("a.tar"), "damaged").unwrap();
    let (error, _) = scene.fetch(&["/good"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(fs::read(scene.path("a.tar")).unwrap(), archive());
}

#[test]
fn no_network_at_all() {
    let scene = Scene::new();
    // A port that nobody listens at any more.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let gone = format!("http://{}/good", listener.local_addr().unwrap());
    drop(listener);
    let (error, _) = scene.fetch_from(&[gone]);
    assert_eq!(failure(error), Some(Failure::Unreachable("a.tar".into())));
    let (error, log) = scene.fetch_from(&[]);
    assert_eq!(failure(error), Some(Failure::Unreachable("a.tar".into())));
    assert!(log.contains("no address is known"), "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_no_fault_of_the_address() {
    let scene = Scene::new();
    std::os::unix::fs::symlink(Path::new("/dev/full"), scene.path("a.tar.partial")).unwrap();
    let (error, log) = scene.fetch(&["/good", "/good"]);
    assert_eq!(failure(error), Some(Failure::FullDisk));
    assert!(log.contains("cannot be written") && !log.contains("Tried"), "{log}");
}
