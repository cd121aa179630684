//! Runtimes and caches that are missing, damaged or not ours.

use crate::support::repository;
use eryx::{
    CacheFault, CompiledFault, Error, ExecutorBuilder, MinimalState, PythonExecutor, RuntimeSource,
    Sandbox,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn source() -> RuntimeSource {
    RuntimeSource::from_file(repository().join("target/runtime/runtime.wasm")).unwrap()
}

fn load(cache: &Path) -> Result<PythonExecutor, Error> {
    ExecutorBuilder::new(source()).cache_dir(cache).build(MinimalState::new)
}

fn compiled(cache: &Path) -> Vec<PathBuf> {
    fs::read_dir(cache.join("compiled"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .collect()
}

#[test]
fn a_missing_runtime_names_the_file() {
    let error = RuntimeSource::from_file("/no/such/runtime.wasm").unwrap_err();
    assert!(error.to_string().contains("/no/such/runtime.wasm"), "{error}");
}

#[test]
fn bytes_that_are_no_runtime() {
    let cache = TempDir::new().unwrap();
    for bytes in [&b""[..], b"hello", b"\0asm\x0d\0\x01\0"] {
        let built = ExecutorBuilder::new(RuntimeSource::from_bytes(bytes.to_vec()))
            .cache_dir(cache.path())
            .build(MinimalState::new);
        assert!(matches!(built, Err(Error::Initialization { .. })), "{built:?}");
    }
}

#[test]
fn a_runtime_cut_short() {
    let cache = TempDir::new().unwrap();
    let bytes = fs::read(repository().join("target/runtime/runtime.wasm")).unwrap();
    let built = ExecutorBuilder::new(RuntimeSource::from_bytes(bytes[..bytes.len() / 2].to_vec()))
        .cache_dir(cache.path())
        .build(MinimalState::new);
    assert!(matches!(built, Err(Error::Initialization { .. })), "{built:?}");
}

/// Case 48: only what carries this user's tag is loaded.
#[tokio::test]
async fn case_48_damaged_and_foreign_code_is_compiled_again() {
    let cache = TempDir::new().unwrap();
    load(cache.path()).unwrap();
    let [entry] = compiled(cache.path()).try_into().unwrap();
    let good = fs::read(&entry).unwrap();

    // One changed byte in the machine code.
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&entry, &bad).unwrap();
    let executor = load(cache.path()).unwrap();
    assert_eq!(executor.execute("print(1)").run().await.unwrap().stdout, "1\n");
    assert_eq!(fs::read(&entry).unwrap(), good, "the entry was not made anew");

    // The right code without a tag, and with the tag of another key.
    fs::remove_file(entry.with_extension("tag")).unwrap();
    load(cache.path()).unwrap();
    fs::write(cache.path().join("compiled/key"), [7; 32]).unwrap();
    let tag = fs::read(entry.with_extension("tag")).unwrap();
    load(cache.path()).unwrap();
    assert_ne!(fs::read(entry.with_extension("tag")).unwrap(), tag);
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let cache = TempDir::new().unwrap();
    let folder = cache.path().join("compiled");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let error = load(cache.path()).unwrap_err();
    assert!(
        matches!(error, Error::CacheUntrusted { fault: CacheFault::Writable, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_cache_that_is_a_link_or_a_file_is_refused() {
    let cache = TempDir::new().unwrap();
    let folder = cache.path().join("compiled");
    std::os::unix::fs::symlink(TempDir::new().unwrap().path(), &folder).unwrap();
    let error = load(cache.path()).unwrap_err();
    assert!(matches!(error, Error::CacheUntrusted { fault: CacheFault::Link, .. }), "{error:?}");
    fs::remove_file(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let error = load(cache.path()).unwrap_err();
    assert!(
        matches!(error, Error::CacheUntrusted { fault: CacheFault::NoFolder, .. }),
        "{error:?}"
    );
}

/// Compiles a component that is no runtime, which takes no time: its code is kept
/// before that is noticed.
fn fill(cache: &Path) {
    let empty = RuntimeSource::from_bytes(&b"\0asm\x0d\0\x01\0"[..]);
    let built = ExecutorBuilder::new(empty).cache_dir(cache).build(MinimalState::new);
    assert!(matches!(built, Err(Error::Initialization { .. })), "{built:?}");
}

#[test]
fn many_may_come_first() {
    for _ in 0..20 {
        let cache = TempDir::new().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| fill(cache.path()));
            }
        });
        assert_eq!(compiled(cache.path()).len(), 1);
        let left = fs::read_dir(cache.path().join("compiled")).unwrap();
        let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(left.filter(|name| name.contains("partial")).count(), 0);
    }
}

#[test]
fn what_nobody_uses_is_removed_after_a_month() {
    let day = Duration::from_hours(24);
    let cache = TempDir::new().unwrap();
    fill(cache.path());
    let [entry] = compiled(cache.path()).try_into().unwrap();
    let aged = |name: &str, days: u32| {
        let path = cache.path().join("compiled").join(name);
        let file = fs::File::options().create(true).append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - day * days).unwrap();
        path
    };
    let of_entry = |ending: &str| {
        entry.with_extension(ending).file_name().unwrap().to_str().unwrap().to_owned()
    };
    let old = ["a.cwasm", "a.tag", "a.lock", "a.partial-1-2"].map(|name| aged(name, 31));
    let recent = aged("b.cwasm", 29);
    let key = aged("key", 400);
    // What is used is as new again.
    aged(&of_entry("cwasm"), 25);
    aged(&of_entry("tag"), 25);
    fill(cache.path());
    for ending in ["cwasm", "tag"] {
        let modified = fs::metadata(entry.with_extension(ending)).unwrap().modified().unwrap();
        assert!(modified.elapsed().unwrap() < day, "{ending} was not touched");
    }
    // A new entry is when others go.
    fs::remove_file(&entry).unwrap();
    fill(cache.path());
    assert!(old.iter().all(|path| !path.exists()));
    assert!([&entry, &recent, &key].iter().all(|path| path.exists()));
}

#[cfg(unix)]
#[test]
fn the_cache_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let cache = TempDir::new().unwrap();
    load(cache.path()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache.path().join("compiled")), 0o700);
    for entry in compiled(cache.path()) {
        assert_eq!(mode(&entry), 0o600);
        assert_eq!(mode(&entry.with_extension("tag")), 0o600);
    }
    assert_eq!(mode(&cache.path().join("compiled/key")), 0o600);
}

#[test]
fn a_cache_that_cannot_be_made_is_an_error_that_names_it() {
    let cache = TempDir::new().unwrap();
    let file = cache.path().join("file");
    fs::write(&file, "").unwrap();
    let error = load(&file).unwrap_err();
    assert!(matches!(&error, Error::File { path, .. } if path.starts_with(&file)), "{error:?}");
}

fn manifest() -> serde_json::Value {
    let text = fs::read_to_string(repository().join("target/runtime/manifest.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_manifest_says_what_the_runtime_is() {
    let manifest = manifest();
    assert_eq!(manifest["python"], "3.13.5");
    for name in ["runtime.wasm", "stdlib.zip", "licenses.txt"] {
        let content = fs::read(repository().join("target/runtime").join(name)).unwrap();
        let noted = &manifest["files"][name];
        assert_eq!(noted["bytes"], content.len());
        assert_eq!(noted["blake3"], blake3::hash(&content).to_string());
    }
}

/// What is fetched has a version and hashes; what is part of it says of what.
#[test]
fn the_manifest_names_all_sources() {
    let manifest = manifest();
    let sources = manifest["sources"].as_array().unwrap();
    let names: Vec<&str> = sources.iter().map(|source| source["name"].as_str().unwrap()).collect();
    for source in sources {
        assert!(!source["license"].as_str().unwrap().is_empty(), "{source}");
        if let Some(whole) = source["part_of"].as_str() {
            assert!(names.contains(&whole), "{source}");
            continue;
        }
        assert!(!source["version"].as_str().unwrap().is_empty(), "{source}");
        let hashes = source["sha256"].as_array().unwrap();
        let is_hash = |hash: &serde_json::Value| {
            let hash = hash.as_str().unwrap();
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        assert!(!hashes.is_empty() && hashes.iter().all(is_hash), "{source}");
    }
    for part in [
        "CPython",
        "zig",
        "cloudpickle",
        "zlib",
        "bzip2",
        "xz",
        "sqlite",
        "dlmalloc",
        "adapter",
        "wasi-libc",
        "cloudlibc",
        "musl",
        "compiler-rt",
        "Expat",
        "libmpdec",
        "HACL*",
        "BLAKE2",
    ] {
        assert!(names.iter().any(|name| name.starts_with(part)), "{part} is not in {names:?}");
    }
}

#[test]
fn the_licences_go_with_the_runtime() {
    let text = fs::read_to_string(repository().join("target/runtime/licenses.txt")).unwrap();
    let manifest = manifest();
    for source in manifest["sources"].as_array().unwrap() {
        assert!(text.contains(source["name"].as_str().unwrap()), "{source}");
    }
    for words in [
        "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2",
        "Mersenne Twister",
        "Jean-loup Gailly and Mark Adler",
        "Julian R Seward",
        "May you do good and not evil.",
        "released to the public domain",
        "LLVM Exceptions to the Apache 2.0 License",
        "Copyright \u{a9} 2005-2020 Rich Felker",
        "Expat maintainers",
        "Stefan Krah",
        "INRIA, CMU and Microsoft Corporation",
        "Nuxi",
        "Zig contributors",
        "Samuel Neves",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

fn fault(error: Error) -> CompiledFault {
    match error {
        Error::Compiled(fault) => *fault,
        other => panic!("a fault of compiled code was expected, not {other:?}"),
    }
}

/// Compiled code that an embedder keeps is loaded without a cache and without compiling.
#[tokio::test]
async fn compiled_code_is_taken_from_who_has_the_key() {
    let executor: PythonExecutor = PythonExecutor::new(source()).unwrap();
    let key = [3; 32];
    let bytes = executor.to_compiled_with_key(&key).unwrap();
    let compiled = RuntimeSource::from_compiled_with_key(bytes.clone(), &key).unwrap();
    let sandbox = Sandbox::builder()
        .runtime(compiled.clone())
        .on_compile(|event| panic!("{event:?}"))
        .build()
        .unwrap();
    assert_eq!(sandbox.execute("print(6 * 7)").await.unwrap().stdout, "42\n");
    let cache = TempDir::new().unwrap();
    let compiled = ExecutorBuilder::new(compiled).cache_dir(cache.path()).build(MinimalState::new);
    let compiled = compiled.unwrap();
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    assert_eq!(compiled.runtime_id(), executor.runtime_id());
    let ran = compiled.execute("6 * 7").run().await.unwrap();
    assert_eq!(ran.result.unwrap().as_str(), "42");
    let error = compiled.execute("1").with_fuel_limit(1_000_000_000).run().await.unwrap_err();
    assert!(matches!(fault(error), CompiledFault::NoFuel));

    let read =
        |bytes: Vec<u8>, key| fault(RuntimeSource::from_compiled_with_key(bytes, key).unwrap_err());
    assert!(matches!(read(Vec::new(), &key), CompiledFault::Foreign));
    assert!(matches!(read(vec![0; 100], &key), CompiledFault::Foreign));
    assert!(matches!(read(bytes.clone(), &[4; 32]), CompiledFault::Tag));
    for at in [20, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(matches!(read(changed, &key), CompiledFault::Tag));
    }
    let mut newer = bytes.clone();
    newer[8] += 1;
    assert!(matches!(read(newer, &key), CompiledFault::Foreign));
    assert!(matches!(read(executor.to_compiled().unwrap(), &key), CompiledFault::Tag));
    // With the right key, and for no engine.
    let mut other = bytes[..100].to_vec();
    other.extend_from_slice(blake3::keyed_hash(&key, &other).as_bytes());
    let other = RuntimeSource::from_compiled_with_key(other, &key).unwrap();
    let error = PythonExecutor::<MinimalState>::new(other).unwrap_err();
    assert!(matches!(fault(error), CompiledFault::Engine(_)));
}

#[tokio::test]
#[expect(unsafe_code, reason = "the code was compiled here")]
async fn compiled_code_is_taken_from_who_vouches_for_it() {
    let executor: PythonExecutor = PythonExecutor::new(source()).unwrap();
    let bytes = executor.to_compiled().unwrap();
    // SAFETY: it is what `to_compiled` gave.
    let compiled = unsafe { RuntimeSource::from_compiled(bytes) }.unwrap();
    let compiled: PythonExecutor = PythonExecutor::new(compiled).unwrap();
    assert_eq!(compiled.execute("print(1)").run().await.unwrap().stdout, "1\n");
    // SAFETY: it is no code at all.
    let error = unsafe { RuntimeSource::from_compiled(&b"nonsense"[..]) }.unwrap_err();
    assert!(matches!(fault(error), CompiledFault::Foreign));
}

#[tokio::test]
async fn where_programs_find_modules() {
    let executor: PythonExecutor = PythonExecutor::new(source()).unwrap();
    let code = "import json, sys\n[sys.path[0], sys.path[-1], json.__file__]";
    let ran = executor.execute(code).run().await.unwrap().result.unwrap();
    let [first, last, json]: [String; 3] = serde_json::from_str(ran.as_str()).unwrap();
    assert_eq!(first, executor.python_stdlib_path());
    assert_eq!([last.as_str()], executor.python_site_packages_paths());
    assert!(json.starts_with(&format!("{first}/json/")), "{json}");
}
