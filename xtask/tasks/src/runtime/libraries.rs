//! The C libraries that CPython's extension modules need: zlib, bzip2, liblzma
//! and SQLite, each a static archive.

use super::compiler::{Compiler, FLAGS};
use super::sources::CrateSource;
use crate::command::run;
use crate::key::{Key, files_below};
use crate::progress::Meter;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const STEP: Step = Step {
    name: "libraries",
    what: "build zlib, bzip2, liblzma and SQLite",
    seconds: 35,
    results: &["libz.a", "libbz2.a", "liblzma.a", "libsqlite3.a"],
};

/// One library: where its files are and how they are compiled.
struct Library {
    name: &'static str,
    files: Vec<PathBuf>,
    flags: Vec<String>,
    /// Header files or folders of them that its users include.
    headers: Vec<PathBuf>,
}

pub(crate) fn build(
    shop: &mut Workshop,
    compiler: &Compiler,
    sources: &BTreeMap<String, CrateSource>,
) -> Result<Made> {
    let mut key = Key::of("libraries")
        .key(compiler.key)
        .text(&FLAGS.join(" "))
        .text(include_str!("libraries.rs"));
    for (name, source) in sources {
        key = key.text(name).text(&source.version);
    }
    shop.step(STEP, key.done(), |folder, meter| {
        let libraries = [
            zlib(&sources["zlib"].folder)?,
            bzip2(&sources["bzip2"].folder),
            lzma(&sources["xz"].folder)?,
            sqlite(&sources["sqlite"].folder),
        ];
        fs::create_dir_all(folder.join("include"))?;
        let total = libraries.iter().map(|library| library.files.len()).sum();
        let done = AtomicUsize::new(0);
        for library in &libraries {
            compile(compiler, folder, library, &done, total, meter)?;
            archive(compiler, folder, library)?;
            for header in &library.headers {
                copy(header, &folder.join("include"))?;
            }
        }
        Ok(())
    })
}

/// Compiles a library's files, as many at a time as there are cores.
fn compile(
    compiler: &Compiler,
    folder: &Path,
    library: &Library,
    done: &AtomicUsize,
    total: usize,
    meter: &Meter,
) -> Result<()> {
    let objects = folder.join(library.name);
    fs::create_dir_all(&objects)?;
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some((number, file)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            library.files.get(number).map(|file| (number, file))
        } {
            let mut command = compiler.cc();
            command.args(FLAGS).args(&library.flags).arg("-c").arg(file);
            command.arg("-o").arg(objects.join(format!("{number:03}.o")));
            let log = objects.join(format!("{number:03}.log"));
            let count = done.fetch_add(1, Ordering::Relaxed);
            let result = run(&mut command, &log, &Meter::silent(), 1);
            meter.set(count as f64 / total as f64);
            if let (Err(error), Ok(mut failure)) = (result, failure.lock()) {
                *failure = Some(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..super::jobs() {
            scope.spawn(work);
        }
    });
    match failure.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(()),
    }
}

fn archive(compiler: &Compiler, folder: &Path, library: &Library) -> Result<()> {
    let path = folder.join(format!("lib{}.a", library.name));
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let objects = folder.join(library.name);
    let mut command = compiler.zig("ar");
    command.arg("rcsD").arg(&path);
    for number in 0..library.files.len() {
        command.arg(objects.join(format!("{number:03}.o")));
    }
    run(&mut command, &objects.join("ar.log"), &Meter::silent(), 1)
}

fn copy(from: &Path, into: &Path) -> Result<()> {
    let files = if from.is_dir() { files_below(from)? } else { vec![from.to_owned()] };
    let base = if from.is_dir() { from } else { from.parent().unwrap_or(from) };
    for file in files {
        let to = into.join(file.strip_prefix(base)?);
        fs::create_dir_all(to.parent().unwrap_or(into))?;
        fs::copy(&file, &to).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    Ok(files)
}

fn strings(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

fn zlib(source: &Path) -> Result<Library> {
    let folder = source.join("src/zlib");
    Ok(Library {
        name: "z",
        files: c_files(&folder)?,
        flags: strings(&["-DHAVE_UNISTD_H"]),
        headers: vec![folder.join("zlib.h"), folder.join("zconf.h")],
    })
}

fn bzip2(source: &Path) -> Library {
    let folder = source.join("bzip2-1.0.8");
    let names =
        ["blocksort", "huffman", "crctable", "randtable", "compress", "decompress", "bzlib"];
    Library {
        name: "bz2",
        files: names.iter().map(|name| folder.join(format!("{name}.c"))).collect(),
        flags: strings(&["-D_FILE_OFFSET_BITS=64"]),
        headers: vec![folder.join("bzlib.h")],
    }
}

fn lzma(source: &Path) -> Result<Library> {
    let folder = source.join("xz/src/liblzma");
    let mut files = Vec::new();
    for part in ["common", "lzma", "lz", "check", "delta", "rangecoder", "simple"] {
        files.extend(c_files(&folder.join(part))?);
    }
    // Left out: threads, the smaller tables, and programs that made the tables.
    files.retain(|file| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let other = ["crc32_small", "crc64_small", "crc_clmul_consts_gen"];
        !name.ends_with("mt") && !name.ends_with("tablegen") && !other.contains(&&*name)
    });
    for name in ["tuklib_cpucores.c", "tuklib_physmem.c"] {
        files.push(source.join("xz/src/common").join(name));
    }
    let mut flags = strings(&["-DHAVE_CONFIG_H=1", "-std=c99"]);
    flags.push(format!("-I{}", source.display()));
    flags.push(format!("-I{}", source.join("xz/src/common").display()));
    for part in ["api", "lzma", "check", "simple", "delta", "common", "rangecoder", "lz"] {
        flags.push(format!("-I{}", folder.join(part).display()));
    }
    Ok(Library { name: "lzma", files, flags, headers: vec![folder.join("api")] })
}

fn sqlite(source: &Path) -> Library {
    let folder = source.join("sqlite3");
    Library {
        name: "sqlite3",
        files: vec![folder.join("sqlite3.c")],
        flags: strings(&[
            "-DSQLITE_THREADSAFE=0",
            "-DSQLITE_ENABLE_FTS3",
            "-DSQLITE_ENABLE_FTS3_PARENTHESIS",
            "-DSQLITE_ENABLE_FTS5",
            "-DSQLITE_ENABLE_RTREE",
            "-DSQLITE_ENABLE_COLUMN_METADATA",
            "-DSQLITE_ENABLE_MATH_FUNCTIONS",
            "-DSQLITE_ENABLE_DBSTAT_VTAB",
            "-DSQLITE_SOUNDEX",
            "-DSQLITE_USE_URI",
            // WASI has no shared memory, no mmap and no dlopen.
            "-DSQLITE_OMIT_LOAD_EXTENSION",
            "-DSQLITE_OMIT_WAL",
            "-DSQLITE_MAX_MMAP_SIZE=0",
            // Its own choice for WASI, lock files, keeps a program's connections
            // from each other. Record locks: shim/record_locks.c.
            "-DSQLITE_DEFAULT_UNIX_VFS=\"unix\"",
            "-DHAVE_USLEEP=1",
            "-DHAVE_ISNAN",
            "-DLONGDOUBLE_TYPE=double",
        ]),
        headers: vec![folder.join("sqlite3.h")],
    }
}
