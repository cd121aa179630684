//! Packages: cases 50 to 54 of THREATS.md, and real wheels doing real work.

use crate::servers::missing;
use crate::support::{memory_kib, repository};
use eryx::{Error, Package, PackageError, Sandbox};
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::Command;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A wheel of these files, with a RECORD that lists them truly.
pub(crate) fn wheel(tag: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let meta = format!("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n");
    let mut files = files.to_vec();
    files.push(("p-1.dist-info/WHEEL", meta.as_bytes()));
    files.push(("p-1.dist-info/METADATA", b"Metadata-Version: 2.1\nName: p\nVersion: 1\n"));
    let record = record(&files);
    files.push(("p-1.dist-info/RECORD", record.as_bytes()));
    archive(&files)
}

fn record(files: &[(&str, &[u8])]) -> String {
    use base64::Engine;
    use sha2::Digest;
    let line = |(name, bytes): &(&str, &[u8])| {
        let hash =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(bytes));
        format!("{name},sha256={hash},{}\n", bytes.len())
    };
    files.iter().map(line).collect::<String>() + "p-1.dist-info/RECORD,,\n"
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What a package is refused for: that has cost little memory, and left nothing that the
/// next sandbox could find.
fn refused(wheel: Vec<u8>) -> PackageError {
    refused_as(Package::wheel("p", wheel))
}

pub(crate) fn refused_as(package: Package) -> PackageError {
    let before = memory_kib();
    let built = Sandbox::embedded().package(package).build();
    let Err(Error::Package { package, source }) = built else { panic!("{built:?}") };
    assert_eq!(package, "p");
    let grown = memory_kib().saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB more");
    *source.downcast::<PackageError>().unwrap()
}

/// A sandbox that is made afterwards is as any other.
async fn works_on() {
    let package = Package::wheel("p", wheel("py3-none-any", &[("p/a.py", b"x = 1 + 1")]));
    let sandbox = Sandbox::embedded().package(package).build().unwrap();
    let code = "import os, p.a\nprint(p.a.x, os.listdir('/usr/lib/python3.13/site-packages/p'))";
    assert_eq!(sandbox.execute(code).await.unwrap().stdout, "2 ['a.py']\n");
}

#[tokio::test]
async fn a_package_can_be_imported_and_asked() {
    let init = b"import pkgutil\nfrom importlib import metadata, resources\n\
        def about():\n    return (metadata.version('p'), resources.files(__name__).joinpath('d.txt').read_text(),\n        \
        [m.name for m in pkgutil.iter_modules(__path__)], __file__)\n";
    let files: [(&str, &[u8]); 3] =
        [("p/__init__.py", init), ("p/sub.py", b"x = 1\n"), ("p/d.txt", b"data")];
    let package = Package::wheel("p", wheel("py3-none-any", &files));
    let sandbox = Sandbox::embedded().package(package).build().unwrap();
    let output = sandbox.execute("import p, p.sub\nprint(p.about(), p.sub.x)").await.unwrap();
    let file = "/usr/lib/python3.13/site-packages/p/__init__.py";
    assert_eq!(output.stdout, format!("('1', 'data', ['sub'], '{file}') 1\n"));
    let code = "try: open('/usr/lib/python3.13/site-packages/p/sub.py', 'w')\n\
        except OSError as e: print(e.strerror)";
    assert_eq!(sandbox.execute(code).await.unwrap().stdout, "Read-only file system\n");
}

#[tokio::test]
async fn case_50_names_that_lead_out() {
    for name in ["../x", "/x", "a\\..\\x", "a/../../x"] {
        let error = refused(wheel("py3-none-any", &[(name, b"x")]));
        assert!(matches!(&error, PackageError::BadName(bad) if bad == name), "{error:?}");
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("p/link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let error = refused(zip.finish().unwrap().into_inner());
    assert!(matches!(&error, PackageError::BadName(bad) if bad == "p/link"), "{error:?}");
    works_on().await;
}

#[tokio::test]
async fn case_51_archives_that_fill_memory() {
    let zeros = vec![0; 60 << 20];
    let error = refused(wheel("py3-none-any", &[("p/zeros", &zeros)]));
    assert!(matches!(error, PackageError::Ratio { .. }), "{error:?}");
    // The sizes in the archive's directory say 3 GiB; nothing is unpacked.
    let mut lying = wheel("py3-none-any", &[("p/a", b"x")]);
    let directory = lying.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    lying[directory + 24..directory + 28].copy_from_slice(&(3_u32 << 30).to_le_bytes());
    let error = refused(lying);
    assert!(matches!(error, PackageError::TooLarge { .. }), "{error:?}");
    works_on().await;
}

/// A wheel whose directory says that `p/zeros` has `said` bytes once unpacked; it would
/// be a thousand times as many as `packed`.
fn bomb(packed: usize, said: u32) -> Vec<u8> {
    let mut block = vec![0; 4096];
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let full = flate2::FlushCompress::Full;
    deflate.compress(&vec![0; 1 << 20], &mut block, full).unwrap();
    block.truncate(usize::try_from(deflate.total_out()).unwrap());
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("p/zeros", stored).unwrap();
    zip.write_all(&block.repeat(packed / block.len())).unwrap();
    for (name, text) in [
        ("p-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"),
        ("p-1.dist-info/RECORD", "p/zeros,sha256=x,1\n"),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let mut wheel = zip.finish().unwrap().into_inner();
    // What was stored as it is says now that it is packed.
    let directory = wheel.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    for (method, size) in [(8, 22), (directory + 10, directory + 24)] {
        wheel[method] = 8;
        wheel[size..size + 4].copy_from_slice(&said.to_le_bytes());
    }
    wheel
}

#[tokio::test]
async fn case_51_ten_gigabytes_of_zeros() {
    let wheel = |said| bomb((10 << 20) + 4096, said);
    assert!(wheel(0).len() > 10 << 20);
    let error = refused(wheel(u32::MAX));
    assert!(matches!(error, PackageError::TooLarge { .. }), "{error:?}");
    // Who says less is read so far, and no further.
    let error = refused(wheel(16 << 20));
    assert!(matches!(error, PackageError::Damaged(_)), "{error:?}");
    let small = bomb(100 << 10, 99 << 20);
    let error = refused(small);
    assert!(matches!(error, PackageError::Ratio { .. }), "{error:?}");
    works_on().await;
}

#[tokio::test]
async fn case_52_files_twice_or_not_as_listed() {
    let mut twice = wheel("py3-none-any", &[("p/a", b"1"), ("p/b", b"1")]);
    let places: Vec<usize> =
        (0..twice.len() - 3).filter(|at| &twice[*at..at + 3] == b"p/b").collect();
    // Not in RECORD, which is compressed.
    for at in places {
        twice[at + 2] = b'a';
    }
    let error = refused(twice);
    assert!(matches!(&error, PackageError::Twice(name) if name == "p/a"), "{error:?}");

    let wheel_file: (&str, &[u8]) = ("p-1.dist-info/WHEEL", b"Tag: py3-none-any\n");
    let listed = record(&[("p/a", b"1"), wheel_file]);
    let with = |files: &[(&str, &[u8])]| {
        let mut files = files.to_vec();
        files.extend([wheel_file, ("p-1.dist-info/RECORD", listed.as_bytes())]);
        refused(archive(&files))
    };
    for (files, name) in [
        (vec![("p/a", b"2".as_slice())], "p/a"),
        (vec![("p/a", b"1".as_slice()), ("p/b", b"1".as_slice())], "p/b"),
        (vec![], "p/a"),
    ] {
        let error = with(&files);
        assert!(matches!(&error, PackageError::Record { file, .. } if file == name), "{error:?}");
    }
    works_on().await;
}

#[tokio::test]
async fn case_53_wheels_for_another_platform() {
    let error = refused(wheel("cp313-cp313-manylinux_2_17_x86_64", &[("p/a.so", b"x")]));
    assert!(error.to_string().contains("manylinux_2_17_x86_64"), "{error}");
    let error = refused(wheel("py2-none-any", &[]));
    assert!(matches!(error, PackageError::Tag(_)), "{error:?}");
    works_on().await;
}

/// The second of two fails half way, after files of its own were taken: nothing of either
/// is there for the next.
#[tokio::test]
async fn case_54_a_failure_leaves_nothing() {
    let good = Package::wheel("good", wheel("py3-none-any", &[("p/a", b"1")]));
    let same = Package::wheel("same", wheel("py3-none-any", &[("p/a", b"1")]));
    let built = Sandbox::embedded().package(good.clone()).package(same).build();
    assert!(
        matches!(&built, Err(Error::Package { package, .. }) if package == "same"),
        "{built:?}"
    );
    assert!(Sandbox::embedded().package(good).build().is_ok());
    let damaged = refused(b"no archive".to_vec());
    assert!(matches!(damaged, PackageError::Damaged(_)), "{damaged:?}");
    let files: [(&str, &[u8]); 2] = [("p/first.py", b"x = 1"), ("p/last.py", b"x = 2")];
    let mut torn = wheel("py3-none-any", &files);
    let last = torn.windows(9).position(|name| name == b"p/last.py").unwrap() + 9;
    torn[last] ^= 0xff;
    let error = refused(torn);
    assert!(matches!(error, PackageError::Damaged(_)), "{error:?}");
    works_on().await;
}

#[test]
fn case_51_more_files_or_bytes_than_a_wheel_may_have() {
    let names: Vec<String> = (0..=20_000).map(|n| format!("p/{n}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let error = refused(archive(&files));
    assert!(matches!(error, PackageError::TooMany(_)), "{error:?}");
    let error = refused(vec![0; (64 << 20) + 1]);
    assert!(matches!(error, PackageError::TooLarge { .. }), "{error:?}");
    // A directory whose numbers have 64 bits could ask for memory for any of them.
    let mut large = wheel("py3-none-any", &[("p/a", b"x")]);
    let end = large.windows(4).rposition(|four| four == b"PK\x05\x06").unwrap();
    let mut locator = b"PK\x06\x07".to_vec();
    locator.resize(20, 0);
    large.splice(end..end, locator);
    let error = refused(large);
    assert!(error.to_string().contains("64 bits"), "{error:?}");
    // The sizes in the directory say less than there is.
    let mut lying = wheel("py3-none-any", &[("p/a", &[b'x'; 1000])]);
    let directory = lying.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    lying[directory + 24..directory + 28].copy_from_slice(&1_u32.to_le_bytes());
    let error = refused(lying);
    assert!(matches!(error, PackageError::Damaged(_)), "{error:?}");
}

#[test]
fn case_52_lists_that_cannot_be() {
    let wheel_file: (&str, &[u8]) = ("p-1.dist-info/WHEEL", b"Tag: py3-none-any\n");
    let error = refused(archive(&[wheel_file]));
    assert!(error.to_string().contains("RECORD"), "{error:?}");
    let line = record(&[("p/a", b"1")]);
    let with =
        |list: &str| refused(archive(&[wheel_file, ("p-1.dist-info/RECORD", list.as_bytes())]));
    let error = with(&(line.clone() + &line));
    assert!(matches!(&error, PackageError::Twice(name) if name == "p/a"), "{error:?}");
    // Not compressed to less than a hundredth, so that the lines are what is refused.
    let lines: Vec<String> = (0..20_001_u64).map(|n| format!("{},,", n.pow(3))).collect();
    let many = lines.join("\n");
    let error = with(&many);
    assert!(matches!(error, PackageError::TooMany(_)), "{error:?}");
    let later: (&str, &[u8]) = ("p-1.dist-info/WHEEL", b"Wheel-Version: 2.0\nTag: py3-none-any\n");
    let error = refused(archive(&[later]));
    assert!(matches!(error, PackageError::Version(_)), "{error:?}");
}

#[test]
fn hashes_better_than_needed_and_sizes_left_out() {
    use base64::Engine;
    use sha2::Digest;
    let code = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let wheel_file: (&str, &[u8]) = ("p-1.dist-info/WHEEL", b"Tag: py3-none-any\n");
    let list = format!(
        "p/a.py,sha384={},\np/b.py,sha512={},1\n{}",
        code.encode(sha2::Sha384::digest(b"1")),
        code.encode(sha2::Sha512::digest(b"1")),
        record(&[wheel_file]),
    );
    let files = [
        ("p/a.py", b"1".as_slice()),
        ("p/b.py", b"1"),
        wheel_file,
        ("p-1.dist-info/RECORD", list.as_bytes()),
    ];
    let package = Package::wheel("p", archive(&files));
    Sandbox::embedded().package(package).build().unwrap();
}

/// What pip takes wheels for any platform with.
const WHEELS: &[&str] = &[
    "--only-binary=:all:",
    "--python-version=3.13",
    "--platform=any",
    "--implementation=py",
    "--abi=none",
];

/// Packages as pip delivers them, with the hashes they must have; kept between
/// runs beside the build's own files. None if pip has none.
fn fetched(requirements: &str, form: &[&str]) -> Option<Vec<PathBuf>> {
    let folder = repository().join("target/test-wheels");
    std::fs::create_dir_all(&folder).unwrap();
    let list = repository().join("tests/packages").join(requirements);
    let text = std::fs::read_to_string(&list).unwrap();
    let files: Vec<PathBuf> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# file: "))
        .map(|name| folder.join(name))
        .collect();
    if !files.iter().all(|file| file.exists()) {
        let pip = Command::new("python3")
            .args(["-m", "pip", "download", "-q", "--no-deps", "--require-hashes"])
            .args(form)
            .arg("-r")
            .arg(&list)
            .arg("-d")
            .arg(&folder)
            .status();
        if !pip.is_ok_and(|ended| ended.success()) {
            missing(&format!("pip could not fetch what {requirements} lists"));
            return None;
        }
    }
    Some(files)
}

#[tokio::test]
async fn real_packages_do_real_work() {
    let Some(mut files) = fetched("requirements.txt", WHEELS) else { return };
    let Some(more) = fetched("sources.txt", &["--no-binary=markupsafe,pyyaml"]) else { return };
    files.extend(more);
    let builder = files
        .into_iter()
        .fold(Sandbox::embedded(), |builder, file| builder.package(Package::from_path(file)));
    let limits = eryx::ResourceLimits::default().without_timeout().with_memory_bytes(1 << 30);
    let sandbox = builder.limits(limits).build().unwrap();
    for (code, expected) in [
        (
            "import attrs\n@attrs.define\nclass P:\n    x: int\n    y: int = 2\nprint(P(1))",
            "P(x=1, y=2)\n",
        ),
        (
            "import networkx as nx\ng = nx.path_graph(5)\nprint(nx.shortest_path(g, 0, 4))",
            "[0, 1, 2, 3, 4]\n",
        ),
        (
            "import io\nfrom rich.console import Console\nfrom rich.table import Table\n\
             t = Table('n'); t.add_row('1')\nf = io.StringIO()\nConsole(file=f, width=20).print(t)\n\
             print('│ 1 │' in f.getvalue())",
            "True\n",
        ),
        (
            "import sympy\nx = sympy.symbols('x')\nprint(sympy.integrate(sympy.sin(x)**2, x))",
            "x/2 - sin(x)*cos(x)/2\n",
        ),
        (
            "import jinja2\nt = jinja2.Environment(autoescape=True).from_string(\n    \
             '{% for x in xs %}<{{ x }}>{% endfor %}')\nprint(t.render(xs=['a', '<']))",
            "<a><&lt;>\n",
        ),
        (
            "import yaml\nfrom importlib.metadata import version\n\
             d = yaml.safe_load('a: [1, 2.5, yes]\\nb: {c: null}')\n\
             print(d, yaml.safe_dump(d, default_flow_style=True).strip(), version('pyyaml'))",
            "{'a': [1, 2.5, True], 'b': {'c': None}} {a: [1, 2.5, true], b: {c: null}} 6.0.2\n",
        ),
        (
            "import requests\nprint(requests.Request('GET', 'http://a/', params={'q': 1}).prepare().url)",
            "http://a/?q=1\n",
        ),
    ] {
        let output = sandbox.execute(code).await.unwrap();
        assert_eq!(output.stdout, expected, "{code}");
    }
}
