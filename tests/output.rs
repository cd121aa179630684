//! What was printed is with the host whenever and however a program is stopped.

use crate::support::{
    current_thread, grows_by, load_metered, run, sandbox, stdout, times_out, with,
};
use eryx::{Error, ExecutionOutput, OutputPolicy, ResourceLimits};
use proptest::prelude::*;
use std::time::Duration;
use tokio::sync::mpsc;

/// Of a run that was stopped at one of its limits, or trapped.
async fn left_by(code: &str, limits: ResourceLimits) -> ExecutionOutput {
    let error = with(limits).execute(code).await.unwrap_err();
    assert!(!matches!(error, Error::Execution(_)), "{error}");
    error.output().unwrap().clone()
}

#[tokio::test]
async fn case_16_whatever_was_printed_before_the_end() {
    for print in [
        "print('before')",
        "print('bef', 'ore', sep='', end='\\n')",
        "print('before', end='\\n')",
        "for letter in 'before\\n': print(letter, end='')",
        "import sys\nsys.stdout.write('before\\n')",
        "import sys\nsys.stdout.buffer.write(b'before\\n')",
        "import sys\nsys.stdout.writelines(['bef', 'ore\\n'])",
        "import os\nos.write(1, b'before\\n')",
        "list(map(print, ['before']))",
    ] {
        let output = times_out(&format!("{print}\nwhile True: pass")).await;
        assert_eq!(output.stdout, "before\n", "{print}");
    }
    let output = times_out("print('before', end='')\nwhile True: pass").await;
    assert_eq!(output.stdout, "before");
    let output = times_out("import time\nprint('before', end='')\ntime.sleep(60)").await;
    assert_eq!(output.stdout, "before");
    let output = times_out("import re\nprint('a', end='')\nre.match(r'(a+)+$', 'a'*40+'b')").await;
    assert_eq!(output.stdout, "a");
}

#[tokio::test]
async fn a_trap_takes_no_output_along() {
    load_metered().await;
    let limits = ResourceLimits::default();
    let code = "import os\nprint('before', end='')\nos.abort()";
    assert_eq!(left_by(code, limits.clone()).await.stdout, "before");
    let code = "print('before', end='')\nwhile True: pass";
    let error = sandbox().prepare(code).with_fuel_limit(100_000_000).run().await.unwrap_err();
    assert_eq!(error.output().unwrap().stdout, "before");
    let cancelled = sandbox().prepare("print('before', end='')\nwhile True: pass").spawn();
    tokio::time::sleep(Duration::from_millis(500)).await;
    cancelled.cancel();
    assert_eq!(cancelled.wait().await.unwrap_err().output().unwrap().stdout, "before");
}

#[tokio::test]
async fn output_and_errors_come_in_the_order_in_which_they_were_written() {
    let (sender, mut listener) = mpsc::channel(1);
    let code = "import os, sys\nfor i in range(3):\n    print('out', i, end=';')\n    \
                print('err', i, end=';', file=sys.stderr)\n    os.write(1, b'raw;')";
    let run = sandbox().prepare(code).with_output_streaming(sender).spawn();
    let mut all = Vec::new();
    while let Some(chunk) = listener.recv().await {
        all.extend_from_slice(&chunk.bytes);
    }
    run.wait().await.unwrap();
    let expected = [0, 1, 2].map(|i| format!("out {i};err {i};raw;")).concat();
    assert_eq!(String::from_utf8(all).unwrap(), expected);
}

#[tokio::test]
async fn a_print_is_one_piece_for_whoever_listens() {
    let (sender, mut listener) = mpsc::channel(1);
    let code = "print('a', 1, 'b', 2.5)\nprint('x' * 5000)\nprint('a', 1, end='')\nprint('b')";
    let run = sandbox().prepare(code).with_output_streaming(sender).spawn();
    let mut pieces = Vec::new();
    while let Some(chunk) = listener.recv().await {
        pieces.push(String::from_utf8(chunk.bytes.to_vec()).unwrap());
    }
    run.wait().await.unwrap();
    assert_eq!(pieces.concat(), format!("a 1 b 2.5\n{}\na 1b\n", "x".repeat(5000)));
    assert_eq!(pieces[0], "a 1 b 2.5\n");
    assert_eq!(pieces.last().unwrap(), "b\n");
    // Where the guest looks at the clock in their midst, one is two.
    assert!(pieces.len() <= 6, "{pieces:?}");
}

#[tokio::test]
async fn sizes_around_what_is_gathered_all_arrive() {
    let code = "import sys\nfor size in [1, 1023, 1024, 1025, 0, 3000, 2]:\n    \
                sys.stdout.write('a' * size)\n    sys.stdout.write('b')\n    \
                sys.stderr.write('c' * size)";
    let output = run(code).await;
    let sizes = [1, 1023, 1024, 1025, 0, 3000, 2];
    let expected: String = sizes.iter().map(|&size| "a".repeat(size) + "b").collect();
    assert_eq!(output.stdout.as_bytes(), expected.as_bytes());
    assert_eq!(output.stderr.len(), sizes.iter().sum::<usize>());
}

#[tokio::test]
async fn streams_can_be_used_as_programs_do() {
    let code = "
import io, sys
for stream, name, errors in (sys.stdout, '<stdout>', 'strict'), (sys.stderr, '<stderr>', 'backslashreplace'):
    assert type(stream) is io.TextIOWrapper and stream.name == name and stream.mode == 'w'
    assert stream.errors == errors and stream.encoding == 'utf-8' and stream.writable()
stream = sys.stdout
assert stream.line_buffering is False and stream.buffer.fileno() == 1
stream.reconfigure(line_buffering=True, errors='replace')
assert stream.line_buffering is True
print('a\\ud800')
print('again')
sys.stderr.write('b\\ud800')
stream.reconfigure(encoding='utf-16-le')
print('w', end='')
";
    let output = run(code).await;
    assert_eq!(output.stdout.as_bytes(), b"a?\nagain\nw\0");
    assert_eq!(output.stderr.as_bytes(), b"b\\ud800");
}

#[tokio::test]
async fn another_stream_over_the_same_descriptor() {
    let code = "import io, sys\nprint('a')\n\
                sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='latin-1')\nprint('é')";
    assert_eq!(run(code).await.stdout.as_bytes(), b"a\n\xe9\n");
    let code = "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\nprint('hi')";
    assert_eq!(stdout(code).await, "hi\n");
}

/// A program that writes so many bytes at a time to its streams, in one of several
/// ways; and what that makes of each.
fn writer(chunks: &[(bool, usize, usize)]) -> (String, [usize; 2]) {
    let mut code = String::from("import os, sys\n");
    let mut sizes = [0, 0];
    for &(to_stderr, way, size) in chunks {
        let (stream, descriptor) = if to_stderr { ("stderr", 2) } else { ("stdout", 1) };
        let line = match way {
            0 => format!("print('x' * {size}, end='', file=sys.{stream})\n"),
            1 => format!("sys.{stream}.write('x' * {size})\n"),
            2 => format!("sys.{stream}.buffer.write(b'x' * {size})\n"),
            _ => format!("os.write({descriptor}, b'x' * {size})\n"),
        };
        code.push_str(&line);
        sizes[usize::from(to_stderr)] += size;
    }
    (code + "None", sizes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn limits_of_output_hold_however_it_is_written(
        chunks in prop::collection::vec(
            (any::<bool>(), 0..4_usize, prop_oneof![0..3_usize, 900..1200_usize, 4000..9000_usize]),
            0..12,
        ),
        limit in prop_oneof![Just(0_usize), 1..3000_usize, 3000..30_000_usize],
        stop in any::<bool>(),
    ) {
        let mut limits = ResourceLimits::default().with_output_bytes(limit as u64);
        if stop {
            limits = limits.with_output_policy(OutputPolicy::Stop);
        }
        let (code, sizes) = writer(&chunks);
        let ended = current_thread().block_on(with(limits).execute(code));
        let too_much = sizes.iter().any(|size| *size > limit);
        let output = match ended {
            Ok(output) if !(stop && too_much) => output,
            Err(Error::Output(stopped)) if stop && too_much => {
                let output = *stopped.output;
                prop_assert!(output.stdout.len() <= limit && output.stderr.len() <= limit);
                let full = [(output.truncated.stdout, &output.stdout), (output.truncated.stderr, &output.stderr)];
                prop_assert!(full.iter().any(|(truncated, text)| *truncated && text.len() == limit));
                return Ok(());
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        for (size, text, truncated) in [
            (sizes[0], &output.stdout, output.truncated.stdout),
            (sizes[1], &output.stderr, output.truncated.stderr),
        ] {
            prop_assert_eq!((text.len(), truncated), (size.min(limit), size > limit));
        }
    }
}

#[tokio::test]
async fn what_is_streamed_takes_no_memory() {
    let code = "import sys\nline = ('x' * 999 + '\\n') * 1000\n\
                for _ in range(100):\n    sys.stdout.write(line)";
    let streamed = async {
        let (sender, mut listener) = mpsc::channel(1);
        let run = sandbox().prepare(code).with_output_streaming(sender).spawn();
        let mut bytes = 0;
        while let Some(chunk) = listener.recv().await {
            bytes += chunk.bytes.len();
            if bytes % 10_000_000 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!(bytes, 100_000_000);
        assert!(run.wait().await.unwrap().truncated.stdout);
    };
    // Of 100 MB.
    grows_by(40, streamed).await;
}
