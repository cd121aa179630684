//! CPython for WASI, as a static library.

use super::compiler::{Compiler, FLAGS};
use super::make::Make;
use super::native::native_python;
use crate::command::{output, run};
use crate::key::Key;
use crate::progress::Meter;
use crate::workshop::{Made, Step, Workshop, once};
use anyhow::{Context, Result, ensure};
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
            "CFLAGS=-Wno-date-time -include {BREAKER_NAME} {map} -I{}",
            source.folder.join(OBJECTS).display()
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
    count_ourselves(&source.folder, folder)?;
    change(&folder.join("Makefile"))
}

/// Where CPython asks how many bytes or items a program wants, it asks the shim
/// (`shim/counts.c`) instead: a changed copy in the build folder comes before the
/// source, which the native Python has, too.
fn count_ourselves(source: &Path, folder: &Path) -> Result<()> {
    let objects = folder.join(OBJECTS);
    fs::create_dir_all(&objects)?;
    for (name, wanted) in
        [("abstract.c", "n"), ("bytesobject.c", "x"), ("bytearrayobject.c", "arg")]
    {
        let path = source.join(OBJECTS).join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let theirs = format!("PyNumber_AsSsize_t({wanted}, PyExc_OverflowError)");
        ensure!(text.matches(&theirs).count() == 1, "{name} does not ask for {theirs} once");
        let changed = text.replace(&theirs, &format!("eryx_count({wanted})"));
        fs::write(objects.join(name), changed).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// The folder of CPython's types, in its source and where it is built.
const OBJECTS: &str = "Objects";

/// What the makefile is to say instead. One object holds the path of the source, which
/// no option maps: in a build that is not installed Python would look for its library
/// there. And `FileIO` asks the shim (`shim/open_files.c`) what a file is, which costs
/// less than all that is known of it.
const CHANGES: [(&str, &str); 2] = [
    ("-DVPATH='\"$(VPATH)\"'", "-DVPATH='\"/usr/src/python\"'"),
    (
        "-c $(srcdir)/Modules/_io/fileio.c",
        "-D_Py_fstat_noraise=eryx_look_at_file -c $(srcdir)/Modules/_io/fileio.c",
    ),
];

fn change(makefile: &Path) -> Result<()> {
    let mut text = fs::read_to_string(makefile)
        .with_context(|| format!("cannot read {}", makefile.display()))?;
    for (theirs, ours) in CHANGES {
        ensure!(text.contains(theirs), "{} does not say {theirs}", makefile.display());
        text = text.replace(theirs, ours);
    }
    fs::write(makefile, text).with_context(|| format!("cannot write {}", makefile.display()))
}

fn build_triple(source: &Made) -> Result<String> {
    let guess = output(&mut Command::new(source.folder.join("config.guess")))?;
    Ok(guess.trim().to_owned())
}
