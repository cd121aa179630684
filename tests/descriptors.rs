//! Files by their descriptors, as `os.open` and its kin see them.

use crate::files::{folder, volume};
use crate::programs::native;
use crate::support::{repository, stdout};
use eryx::VolumeMount;
use std::process::Command;

/// `tests/descriptors/posix.py`, which native CPython agrees with, too.
#[tokio::test]
async fn descriptors_do_what_posix_says() {
    let program = include_str!("descriptors/posix.py");
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    for (path, seeds) in [("/data/f", 1..=4), ("/vol/f", 5..=6)] {
        for seed in seeds {
            let run = sandbox.prepare(program).with_args([path, &seed.to_string(), "2000"]);
            let output = run.run().await.unwrap_or_else(|error| panic!("{path}, {seed}: {error}"));
            assert_eq!(output.stdout, "agreed\n");
        }
    }
}

#[tokio::test]
async fn descriptors_do_what_posix_says_natively() {
    let folder = folder();
    let native = native();
    let program = repository().join("tests/descriptors/posix.py");
    for seed in ["1", "2"] {
        let mut command = Command::new(&native);
        command.arg(&program).arg(folder.path().join("f")).args([seed, "2000"]);
        assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), "agreed\n");
    }
}

#[tokio::test]
async fn large_files_are_written_whole() {
    let code = "import os\nlarge = os.urandom(1 << 20) * 20\n\
        for mode in 'wb', 'ab', 'xb':\n    \
            with open('/data/' + mode, mode, buffering=0) as f:\n        \
                print(f.write(large) == len(large), f.tell() == len(large))\n    \
            with open('/data/' + mode, 'rb') as f: print(f.read() == large)\n    \
            os.unlink('/data/' + mode)\n\
        fd = os.open('/data/p', os.O_RDWR | os.O_CREAT)\n\
        print(os.pwrite(fd, large, 3) == len(large), os.pread(fd, len(large), 3) == large)";
    assert_eq!(stdout(code).await, "True True\nTrue\n".repeat(3) + "True True\n");
}

#[tokio::test]
async fn to_read_is_what_no_flag_stands_for() {
    let code = "import os\nfd = os.open('/data/n', os.O_CREAT | os.O_EXCL); os.close(fd)\n\
        with open('/data/n', 'w') as f: f.write('x')\n\
        fd = os.open('/data/n', 0); print(os.read(fd, 9), os.O_RDWR == os.O_RDONLY | os.O_WRONLY)\n\
        try: os.write(os.open('/data/n', 0), b'x')\n\
        except OSError as e: print(e.strerror)";
    assert_eq!(stdout(code).await, "b'x' True\nBad file descriptor\n");
}

/// What one has appended moves its own position, not what others append after it.
#[tokio::test]
async fn an_append_ends_where_it_ended() {
    let code = "import os\nf = open('/data/f', 'ab+', buffering=0)\n\
        f.write(b'mine'); open('/data/f', 'ab').write(b' theirs'); print(f.read())\n\
        f.write(b'!'); f.truncate(2); print(f.tell())\n\
        g = open('/data/g', 'ab', buffering=0); g.write(b'x' * 100); g.truncate(10)\n\
        print(g.tell(), os.fstat(g.fileno()).st_size)";
    assert_eq!(stdout(code).await, "b' theirs'\n12\n100 10\n");
}
