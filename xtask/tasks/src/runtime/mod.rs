//! `cargo xtask build-runtime`: from sources to the component that eryx runs.

mod archive;
mod changes;
mod compiler;
mod component;
mod cpython;
mod fetch;
mod lasting;
mod libraries;
mod library;
mod link;
mod lock;
mod make;
mod manifest;
mod native;
mod pieces;
mod sources;
mod texts;
mod wheels;
mod wit;

use crate::cache;
use crate::key::Key;
use crate::progress::{Progress, in_words, timed};
use crate::workshop::{Workshop, sweep};
use anyhow::{Context, Result, ensure};
use compiler::Compiler;
use link::Parts;
use lock::Lock;
use make::Make;
use sources::Sources;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use texts::Texts;
use wit::World;

/// Where the finished runtime is put, below the repository.
const FOLDER: &str = "target/runtime";

/// Beside the runtime: a hash of all that it was made of.
const INPUTS: &str = "inputs.txt";

/// Beside the runtime: where the native Python of the same version is.
const NATIVE: &str = "native-python.txt";

/// Beside the runtime: where CPython's source is.
const SOURCE: &str = "python-source.txt";

/// What all steps take together on two cores.
const SECONDS: u64 = 8 + 12 + 3 + 110 + 35 + 75 + 12 + 100 + 25;

/// The files of a finished runtime.
pub(crate) const FILES: [&str; 4] = ["runtime.wasm", "manifest.json", "stdlib.zip", "licenses.txt"];

/// Builds what is not built yet and puts the result into [`FOLDER`].
pub(crate) fn build(repository: &Path) -> Result<PathBuf> {
    let (made, took) = timed(|| build_in(repository, &cache::root()?.join("build")));
    let made = made?;
    let target = repository.join(FOLDER);
    install(&made.component, &target)?;
    fs::write(target.join(NATIVE), made.native.to_string_lossy().as_bytes())?;
    fs::write(target.join(SOURCE), made.source.to_string_lossy().as_bytes())?;
    fs::write(target.join(INPUTS), inputs_key(repository)?.to_string())?;
    let size = fs::metadata(target.join("runtime.wasm"))?.len();
    eprintln!(
        "The runtime is in {FOLDER}: {:.1} MB, ready in {}.",
        size as f64 / 1e6,
        in_words(took)
    );
    Ok(target.join("runtime.wasm"))
}

/// Builds, and removes from the cache what builds of other inputs left there.
pub(crate) fn clean(repository: &Path) -> Result<()> {
    let root = cache::root()?.join("build");
    let used = build_in(repository, &root)?.used;
    let count = sweep(&root, &used)?;
    eprintln!("Removed {count} folders from {}.", root.display());
    Ok(())
}

/// Whether the runtime that is there was made of what is in the repository now.
pub(crate) fn is_current(repository: &Path) -> Result<bool> {
    let folder = repository.join(FOLDER);
    let inputs = fs::read_to_string(folder.join(INPUTS)).unwrap_or_default();
    Ok(inputs == inputs_key(repository)?.to_string() && manifest::holds(&folder))
}

/// The native Python that helped to build the runtime: the very version.
pub(crate) fn native_python(repository: &Path) -> Result<PathBuf> {
    place(repository, NATIVE)
}

/// The source of the CPython that the runtime is.
pub(crate) fn python_source(repository: &Path) -> Result<PathBuf> {
    place(repository, SOURCE)
}

fn place(repository: &Path, name: &str) -> Result<PathBuf> {
    let path = repository.join(FOLDER).join(name);
    let text = fs::read_to_string(&path).context("the runtime is not built")?;
    Ok(PathBuf::from(text))
}

fn inputs_key(repository: &Path) -> Result<Key> {
    Ok(Key::of("runtime")
        .tree(&repository.join("python-runtime"))?
        .tree(&repository.join("wit"))?
        .tree(&repository.join("xtask/tasks"))?
        .text(include_str!("../../../../Cargo.lock"))
        .done())
}

/// Builds twice from nothing but the sources and compares, also with the runtime that
/// is installed, if it is made of the same.
pub(crate) fn verify(repository: &Path) -> Result<()> {
    let first = built_apart(repository, "verify-first")?;
    let second = built_apart(repository, "verify-second-run")?;
    let installed = repository.join(FOLDER);
    let is_current = is_current(repository)?;
    for ((name, first), second) in FILES.iter().zip(&first).zip(&second) {
        ensure!(first == second, "{name} differs between two builds");
        let also = if is_current {
            ensure!(
                fs::read(installed.join(name)).is_ok_and(|found| found == *first),
                "{name} in {FOLDER} differs from what the same sources give now"
            );
            "the same twice and installed"
        } else {
            "the same twice"
        };
        eprintln!("{name}: {also}, blake3 {}", blake3::hash(first));
    }
    if !is_current {
        eprintln!("The runtime in {FOLDER} is not of these sources, and was not compared.");
    }
    Ok(())
}

/// The finished files, built in an empty folder of that name.
fn built_apart(repository: &Path, name: &str) -> Result<Vec<Vec<u8>>> {
    eprintln!("Building in an empty folder: {name}");
    let root = cache::root()?.join(name);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot empty {}", root.display()))?;
    }
    let made = build_in(repository, &root)?.component;
    let files = FILES.iter().map(|file| fs::read(made.join(file))).collect::<Result<_, _>>()?;
    fs::remove_dir_all(&root)?;
    Ok(files)
}

/// Runs all steps in the cache folder `root`.
fn build_in(repository: &Path, root: &Path) -> Result<Built> {
    let sources = Sources::read(repository)?;
    let lock = Lock::read()?;
    let world = World::read(repository)?;
    let crates = sources::crate_sources(repository, &sources.crates)?;
    let mut shop = Workshop::new(root.to_owned(), Progress::new(SECONDS))?;

    let source = fetch::python_source(&mut shop, &sources.python)?;
    let zig = wheels::zig(&mut shop, &sources.zig)?;
    let compiler = Compiler::new(&zig, root.join("zig-cache"));
    let make = Make::new(&mut shop, &sources.make)?;
    let native = native::build(&mut shop, &source, &make)?;
    let libraries = libraries::build(&mut shop, &compiler, &crates)?;
    let wasi = cpython::wasi(&mut shop, &source, &native, &libraries, &compiler, &make)?;
    let extra = wheels::libraries(&mut shop, &sources.libraries)?;
    let library = library::build(&mut shop, repository, &lock, &source, &native, &wasi, &extra)?;
    let allocator = crates["dlmalloc"].folder.clone();
    let parts = Parts { libraries, wasi, library, allocator };
    let linked = link::build(&mut shop, repository, &world, &compiler, &source, &parts)?;
    let component = component::build(&mut shop, repository, &linked)?;
    let mut folders = BTreeMap::from([
        ("python".to_owned(), source.folder.clone()),
        ("zig".to_owned(), zig.folder),
    ]);
    folders.extend(sources.libraries.keys().map(|name| (name.clone(), extra.folder.clone())));
    folders.extend(crates.into_iter().map(|(name, found)| (name, found.folder)));
    let library = &parts.library.folder;
    manifest::write(&component.folder, library, &sources, &lock, &Texts(folders))?;
    let used = shop.used;
    shop.progress.end();
    let native = native::native_python(&native.folder);
    Ok(Built { component: component.folder, native, source: source.folder, used })
}

/// The folder with the finished files, the native Python and CPython's source.
struct Built {
    component: PathBuf,
    native: PathBuf,
    source: PathBuf,
    /// All folders in the cache that the build goes by.
    used: Vec<PathBuf>,
}

/// Copies the finished files to where the crates look for them. Files that are
/// the same already stay untouched, so that nothing is compiled again.
fn install(made: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("cannot create {}", target.display()))?;
    for name in FILES {
        let content = fs::read(made.join(name))?;
        let path = target.join(name);
        if fs::read(&path).is_ok_and(|old| old == content) {
            continue;
        }
        let partial = target.join(format!("{name}.partial"));
        fs::write(&partial, &content)
            .and_then(|()| fs::rename(&partial, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// How many programs to run side by side.
fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
