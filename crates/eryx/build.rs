//! Finds the guest runtime that is built into the program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Names a runtime.wasm to build in.
const VARIABLE: &str = "ERYX_RUNTIME";

/// Where `cargo xtask build-runtime` puts it, seen from this crate.
const BUILT: &str = "../../target/runtime/runtime.wasm";

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rustc-check-cfg=cfg(has_runtime)");
    if env::var_os("CARGO_FEATURE_EMBEDDED").is_none() {
        return;
    }
    let path = match env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(BUILT),
    };
    // A file that is not there yet makes Cargo look again at the next build.
    println!("cargo::rerun-if-changed={}", path.display());
    let Ok(bytes) = fs::read(&path) else {
        if env::var_os(VARIABLE).is_some() {
            println!("cargo::error={VARIABLE} names {}, which cannot be read", path.display());
        }
        return;
    };
    let path = fs::canonicalize(&path).unwrap_or(path);
    let hash = blake3::hash(&bytes);
    let path = path.to_string_lossy();
    let code = format!("RuntimeSource::embedded(include_bytes!({path:?}), {:?})", hash.as_bytes());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("runtime.rs");
    if let Err(error) = fs::write(&out, code) {
        println!("cargo::error=cannot write {}: {error}", out.display());
    }
    println!("cargo::rustc-cfg=has_runtime");
}
