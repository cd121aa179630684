//! Packages that are no wheels: source archives, and folders.

use crate::packages::{refused_as, wheel};
use eryx::{Error, Package, PackageError, Sandbox};
use std::io::Write;

/// A source archive of these entries.
fn sdist(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        // As it is: the builder itself would refuse what is hostile.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(u64::try_from(bytes.len()).unwrap());
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    packed(&tar.into_inner().unwrap())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn refused_source(bytes: Vec<u8>) -> PackageError {
    refused_as(Package::source("p", bytes))
}

#[tokio::test]
async fn a_source_archive_can_be_imported() {
    use tar::EntryType::{Directory, Regular};
    let archive = sdist(&[
        ("./", Directory, b""),
        ("./p-1/PKG-INFO", Regular, b"Name: p\nVersion: 1\n"),
        ("./p-1/setup.py", Regular, b"raise SystemExit"),
        ("./p-1/src/one_module.py", Regular, b"x = 1\n"),
        ("./p-1/scripts/run.py", Regular, b""),
        ("./p-1/.github/check.py", Regular, b""),
    ]);
    let sandbox = Sandbox::embedded().package(Package::source("p", archive)).build().unwrap();
    let code = "import one_module, os\nfrom importlib.metadata import version\n\
        print(one_module.x, version('p'), sorted(os.listdir('/usr/lib/python3.13/site-packages')))";
    let output = sandbox.execute(code).await.unwrap();
    assert_eq!(output.stdout, "1 1 ['one_module.py', 'p-1.dist-info']\n");
}

#[test]
fn hostile_source_archives() {
    use tar::EntryType::{Link, Regular, Symlink};
    for entry in [
        ("p-1/../../x", Regular),
        ("/x", Regular),
        ("p-1/a\\..\\x", Regular),
        ("p-1/l", Symlink),
        ("p-1/l", Link),
    ] {
        let error = refused_source(sdist(&[(entry.0, entry.1, b"")]));
        assert!(matches!(error, PackageError::BadName(_)), "{entry:?}: {error:?}");
    }
    let zeros = vec![0; 60 << 20];
    let error = refused_source(sdist(&[("p-1/zeros.py", Regular, &zeros)]));
    assert!(matches!(error, PackageError::Ratio { .. }), "{error:?}");
    let good = sdist(&[("p-1/p/__init__.py", Regular, b"x = 1\n")]);
    for cut in [10, good.len() - 8, good.len() - 1] {
        let error = refused_source(good[..cut].to_vec());
        assert!(matches!(error, PackageError::Damaged(_)), "{cut}: {error:?}");
    }
    let mut changed = good.clone();
    let checksum = changed.len() - 8;
    changed[checksum] ^= 1;
    assert!(matches!(refused_source(changed), PackageError::Damaged(_)));
    // Cut where a block ends: the end is missing.
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*good), &mut tar).unwrap();
    let error = refused_source(packed(&tar[..1024]));
    assert!(matches!(error, PackageError::Damaged(_)), "{error:?}");
    // A name of 200 KiB.
    let name = vec![b'n'; 200 << 10];
    let error =
        refused_source(sdist(&[("L", tar::EntryType::GNULongName, &name), ("p", Regular, b"")]));
    assert!(matches!(error, PackageError::Damaged(_)), "{error:?}");
}

fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn from_folders(folders: &[&tempfile::TempDir]) -> Result<Sandbox, Error> {
    let add = |builder: eryx::SandboxBuilder, folder: &&tempfile::TempDir| {
        builder.package(Package::from_path(folder.path()))
    };
    folders.iter().fold(Sandbox::embedded(), add).build()
}

#[tokio::test]
async fn folders_lie_beside_each_other() {
    let one = folder_of(&[
        ("bin/run", ""),
        ("__pycache__/a.pyc", ""),
        ("a.py", "x = 1"),
        ("ns/one/__init__.py", "x = 2"),
    ]);
    let two = folder_of(&[
        ("bin/run", ""),
        ("__pycache__/a.pyc", ""),
        ("b.py", "x = 3"),
        ("ns/two/__init__.py", "x = 4"),
    ]);
    let sandbox = from_folders(&[&one, &two]).unwrap();
    let code = "import a, b, ns.one, ns.two, os\n\
        print(a.x, ns.one.x, b.x, ns.two.x, sorted(os.listdir(os.path.dirname(a.__file__))))";
    let output = sandbox.execute(code).await.unwrap();
    assert_eq!(output.stdout, "1 2 3 4 ['a.py', 'b.py', 'ns']\n");
    let code = "open('/usr/lib/python3.13/site-packages/ns/one/new', 'w')";
    let Err(Error::Execution(raised)) = sandbox.execute(code).await else {
        panic!("it was written")
    };
    assert!(raised.message.contains("Read-only"), "{}", raised.message);
}

#[test]
fn a_folder_hides_nothing() {
    let twice = |built: Result<Sandbox, Error>, name: &str| {
        let Err(Error::Package { source, .. }) = built else { panic!("{built:?}") };
        let error = *source.downcast::<PackageError>().unwrap();
        assert!(matches!(&error, PackageError::Twice(twice) if twice == name), "{error:?}");
    };
    let folder = folder_of(&[("p/__init__.py", "")]);
    twice(from_folders(&[&folder, &folder]), "p/__init__.py");
    let packed = Package::wheel("p", wheel("py3-none-any", &[("p/__init__.py", b"")]));
    let both = [Package::from_path(folder.path()), packed];
    for both in [both.clone(), both.into_iter().rev().collect::<Vec<_>>().try_into().unwrap()] {
        let builder = both.into_iter().fold(Sandbox::embedded(), eryx::SandboxBuilder::package);
        twice(builder.build(), "p/__init__.py");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_of_packages_shows_nothing_beside_it() {
    let outside = folder_of(&[("secret.py", "x = 1")]);
    for target in [std::path::Path::new("/"), outside.path(), &outside.path().join("secret.py")] {
        let folder = folder_of(&[("a.py", "")]);
        std::os::unix::fs::symlink(target, folder.path().join("x")).unwrap();
        let built = from_folders(&[&folder]);
        let Err(Error::Package { source, .. }) = built else { panic!("{built:?}") };
        let error = *source.downcast::<PackageError>().unwrap();
        assert!(matches!(&error, PackageError::BadName(name) if name == "x"), "{error:?}");
    }
    let folder = folder_of(&[("a.py", "x = 5")]);
    std::os::unix::fs::symlink("a.py", folder.path().join("b.py")).unwrap();
    let output = from_folders(&[&folder]).unwrap().execute("import b; print(b.x)").await.unwrap();
    assert_eq!(output.stdout, "5\n");
}
