//! The standard library's archive, as a file that programs can open.

use crate::files::{folder, printed, telling_errno};
use crate::support::{repository, sandbox};
use eryx::{OneFile, PythonExecutor, RuntimeSource, Sandbox, SandboxState, VfsConfig, VolumeMount};
use std::fs;

/// Reads a module by way of the file and by way of its importer.
const READS: &str = "\
import importlib.resources, inspect, json.decoder, os, sys, zipfile
archive = sys.path[0]
with zipfile.ZipFile(archive) as opened:
    print(opened.testzip(), len(opened.namelist()) > 900)
    source = opened.read('json/decoder.py').decode()
print(source == inspect.getsource(json.decoder))
print(source == importlib.resources.files('json').joinpath('decoder.py').read_text())
";
const READ: &str = "None True\nTrue\nTrue\n";

#[tokio::test]
async fn the_standard_library_is_a_file() {
    assert_eq!(printed(&sandbox(), READS).await, READ);
    let code = "import os, sys\n\
        print(os.listdir('/usr'), os.listdir('/usr/lib'))\n\
        known = os.stat(sys.path[0])\n\
        with open(sys.path[0], 'rb') as file: print(len(file.read()) == known.st_size, os.path.isfile(file.name))\n\
        print([entry.is_file() for entry in os.scandir('/usr/lib')])";
    let expected = "['lib'] ['python313.zip']\nTrue True\n[True]\n";
    assert_eq!(printed(&sandbox(), code).await, expected);
}

#[tokio::test]
async fn it_is_only_read() {
    let statements = [
        ("open(sys.path[0], 'wb')", "EROFS"),
        ("open(sys.path[0], 'r+b')", "EROFS"),
        ("os.truncate(sys.path[0], 0)", "EROFS"),
        ("os.utime(sys.path[0])", "EROFS"),
        ("os.unlink(sys.path[0])", "EBUSY"),
        ("os.rename(sys.path[0], '/tmp/x')", "EBUSY"),
        ("os.rename('/tmp', sys.path[0])", "EBUSY"),
        ("os.link(sys.path[0], '/tmp/x')", "EXDEV"),
        ("os.listdir(sys.path[0])", "ENOTDIR"),
        ("open(sys.path[0] + '/json/decoder.py')", "ENOTDIR"),
        ("os.mkdir('/usr/lib/x')", "EROFS"),
    ];
    for (statement, expected) in statements {
        let told = printed(&sandbox(), &telling_errno(&format!("import sys; {statement}"))).await;
        assert_eq!(told.trim(), expected, "{statement}");
    }
    assert_eq!(printed(&sandbox(), READS).await, READ);
}

#[tokio::test]
async fn every_source_of_a_runtime_has_it() {
    let path = repository().join("target/runtime/runtime.wasm");
    let file = RuntimeSource::from_file(path).unwrap();
    assert!(file.stdlib().is_some_and(|archive| archive.starts_with(b"PK")));
    let from_file = Sandbox::builder().runtime(file).build().unwrap();
    let executor: &PythonExecutor<SandboxState> = from_file.executor();
    let key = [7; 32];
    let compiled = executor.to_compiled_with_key(&key).unwrap();
    let compiled = RuntimeSource::from_compiled_with_key(compiled, &key).unwrap();
    let loaded = Sandbox::builder().executor(executor.clone()).build().unwrap();
    let from_compiled = Sandbox::builder().runtime(compiled).build().unwrap();
    for sandbox in [&from_file, &loaded, &from_compiled] {
        assert_eq!(printed(sandbox, READS).await, READ);
    }
    // The executor's own interpreters, with which no sandbox has to do.
    let ran = executor.execute(READS).run().await.unwrap();
    assert_eq!(ran.stdout, READ);
    assert!(RuntimeSource::from_bytes(&b"PK\x05\x06 no runtime"[..]).stdlib().is_none());
}

#[tokio::test]
async fn what_is_mounted_there_takes_its_place_for_files_not_for_imports() {
    let folder = folder();
    fs::create_dir(folder.path().join("vol/lib")).unwrap();
    fs::write(folder.path().join("vol/lib/mine"), "").unwrap();
    let around = VolumeMount::new(folder.path().join("vol"), "/usr");
    let around = Sandbox::embedded().volume(around).build().unwrap();
    let code = "import os\nprint(sorted(os.listdir('/usr')), sorted(os.listdir('/usr/lib')))";
    let expected = "['a.txt', 'lib', 'sub'] ['mine', 'python313.zip']\n";
    assert_eq!(printed(&around, code).await, expected);
    assert_eq!(printed(&around, READS).await, READ);

    let own = VolumeMount::read_only(folder.path().join("secret"), "/usr/lib/python313.zip");
    let own = Sandbox::embedded().volume(own).build().unwrap();
    let code = "import decimal, sys\nprint(open(sys.path[0]).read())";
    assert_eq!(printed(&own, code).await, "not for guests\n");

    let below = VolumeMount::new(folder.path().join("vol"), "/usr/lib/python313.zip/x");
    let error = Sandbox::embedded().volume(below).build().unwrap_err().to_string();
    assert!(error.contains("/usr/lib/python313.zip"), "{error}");
}

#[tokio::test]
async fn one_file_from_memory_is_mounted() {
    let file = OneFile::new(&b"one\ntwo\n"[..]);
    let config = VfsConfig::new("/etc/words");
    let sandbox = Sandbox::embedded().files(file, &config).build().unwrap();
    let code = "import os\nwith open('/etc/words') as f: print(f.readlines(), f.seek(4), f.read())\n\
        print(os.listdir('/etc'), os.stat('/etc/words').st_size)";
    let expected = "['one\\n', 'two\\n'] 4 two\n\n['words'] 8\n";
    assert_eq!(printed(&sandbox, code).await, expected);
    // The mount would allow it, the file does not.
    let told =
        printed(&sandbox, &telling_errno("with open('/etc/words', 'a') as file: file.write('x')"))
            .await;
    assert_eq!(told.trim(), "EROFS");
    let absent = OneFile::lazy(|| None);
    let sandbox = Sandbox::embedded().files(absent, &config).build().unwrap();
    let told = printed(&sandbox, &telling_errno("open('/etc/words')")).await;
    assert_eq!(told.trim(), "ENOENT");
}

#[tokio::test]
async fn an_open_archive_goes_on_in_a_copy() {
    let session = sandbox().session().await.unwrap();
    session
        .execute("import sys\nfile = open(sys.path[0], 'rb'); start = file.read(4)")
        .await
        .unwrap();
    let copy = session.fork().await.unwrap();
    let ran = copy.execute("print(start, file.tell(), len(file.read(2)))").await.unwrap();
    assert_eq!(ran.stdout, "b'PK\\x03\\x04' 4 2\n");
}
