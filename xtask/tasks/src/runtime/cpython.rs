//! CPython for WASI, as a static library.

use super::changes;
use super::compiler::{Compiler, FLAGS};
use super::make::Make;
use super::native::native_python;
use crate::command::{output, run};
use crate::key::Key;
use crate::progress::Meter;
use crate::workshop::{Made, Step, Workshop, once};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

const WASI: Step = Step {
    name: "python-wasi",
    what: "build CPython for WASI",
    seconds: 75,
    results: &[
        "libpython3.13.a",
        "Modules/_decimal/libmpdec/libmpdec.a",
        "Modules/_hacl/libHacl_Hash_SHA2.a",
        "Modules/expat/libexpat.a",
        "pyconfig.h",
        "pybuilddir.txt",
    ],
};

/// What of it is linked.
pub(crate) fn archives() -> impl Iterator<Item = &'static &'static str> {
    WASI.results
        .iter()
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "a"))
}

/// Answers for `configure`, on top of CPython's own for WASI.
const CONFIG_SITE: &str = include_str!("../../../../python-runtime/config/config.site");

/// What every C file for WASI includes first: see the header.
const BREAKER: &str = include_str!("../../../../python-runtime/shim/breaker.h");
const BREAKER_NAME: &str = "eryx_breaker.h";

/// `libpython3.13.a`, the archives it needs, and `pyconfig.h`.
pub(crate) fn wasi(
    shop: &mut Workshop,
    source: &Made,
    native: &Made,
    libraries: &Made,
    compiler: &Compiler,
    make: &Make,
) -> Result<Made> {
    let key = Key::of("wasi python")
        .key(source.key)
        .key(libraries.key)
        .text(&FLAGS.join(" "))
        .text(CONFIG_SITE)
        .text(include_str!("cpython.rs"))
        .text(include_str!("changes.rs"))
        .text(BREAKER)
        .done();
    shop.step(WASI, key, |folder, meter| {
        once(folder, || {
            configure(folder, source, native, libraries, compiler, &meter.part(0.0, 0.3))
        })?;
        // The version is in the library's name; the rest are its own libraries.
        let targets = ["libpython3.13.a", "pybuilddir.txt"];
        let mut command = make.command(folder, &targets);
        compiler.environment(&mut command);
        // Headers are found by relative paths, which zig takes for the same file in
        // every folder: a cache that other builds have filled would answer wrongly.
        let objects = folder.join("zig-cache");
        command.env("ZIG_LOCAL_CACHE_DIR", &objects);
        run(&mut command, &folder.join("make.log"), &meter.part(0.3, 1.0), 380)
            .context("`make` failed")?;
        fs::remove_dir_all(&objects)
            .or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
            .with_context(|| format!("cannot remove {}", objects.display()))
    })
}

fn configure(
    folder: &Path,
    source: &Made,
    native: &Made,
    libraries: &Made,
    compiler: &Compiler,
    meter: &Meter,
) -> Result<()> {
    let site = folder.join("config.site");
    let own = source.folder.join("Tools/wasm/config.site-wasm32-wasi");
    let own = fs::read_to_string(&own).with_context(|| format!("cannot read {}", own.display()))?;
    fs::write(&site, own + CONFIG_SITE)?;
    fs::write(folder.join(BREAKER_NAME), BREAKER)?;
    let nothing = folder.join("no-pkg-config");
    fs::create_dir_all(&nothing)?;

    let cc = compiler.text(&format!("cc -target {}", super::compiler::TARGET));
    let cxx = compiler.text(&format!("c++ -target {}", super::compiler::TARGET));
    // Absolute paths would make two builds differ.
    let map = format!("-ffile-prefix-map={}=/usr/src/python", source.folder.display());
    let mut command = Command::new(source.folder.join("configure"));
    compiler.environment(&mut command);
    command
        .current_dir(folder)
        .env("CONFIG_SITE", &site)
        // Or the host's own libraries are found.
        .env("PKG_CONFIG_LIBDIR", &nothing)
        .env("PKG_CONFIG_PATH", "")
        .args(["--host=wasm32-wasip1", "--prefix=/usr", "--disable-test-modules"])
        .args(["--disable-ipv6", "--with-pymalloc"])
        .arg(format!("--build={}", build_triple(source)?))
        .arg(format!("--with-build-python={}", native_python(&native.folder).display()))
        .arg(format!("CC={cc}"))
        .arg(format!("CXX={cxx}"))
        .arg(format!("AR={}", compiler.text("ar")))
        .arg(format!("RANLIB={}", compiler.text("ranlib")))
        .arg("READELF=true")
        // Else Python's own description says where this machine has them.
        .args(["INSTALL=install -c", "MKDIR_P=mkdir -p"])
        .arg("ARFLAGS=rcsD")
        .arg(format!("OPT={}", FLAGS.join(" ")))
        .arg(format!(
            "CFLAGS=-Wno-date-time -include {BREAKER_NAME} {map} {}",
            changes::FOLDERS
                .map(|name| format!("-I{}", source.folder.join(name).display()))
                .join(" ")
        ))
        .arg("LDFLAGS=-Wl,-s");
    let folder_text = libraries.folder.display();
    for (variable, library) in
        [("ZLIB", "z"), ("BZIP2", "bz2"), ("LIBLZMA", "lzma"), ("LIBSQLITE3", "sqlite3")]
    {
        command.arg(format!("{variable}_CFLAGS=-I{folder_text}/include"));
        command.arg(format!("{variable}_LIBS=-L{folder_text} -l{library}"));
    }
    run(&mut command, &folder.join("configure.log"), meter, 750)?;
    changes::make(&source.folder, folder)
}

fn build_triple(source: &Made) -> Result<String> {
    let guess = output(&mut Command::new(source.folder.join("config.guess")))?;
    Ok(guess.trim().to_owned())
}
