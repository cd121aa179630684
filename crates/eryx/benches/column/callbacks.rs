//! Calls of the host, and output that is streamed.

use crate::figure::{Figure, Figures, milliseconds};
use crate::runtime;
use crate::sleeper::Sleeper;
use eryx::{CallbackLimits, DynamicCallback, ResourceLimits, Sandbox};
use std::time::Duration;
use tokio::sync::mpsc;

const LOOP: &str = "r = 0\nfor i in range(1000):\n    r = await echo(x=i)\nprint(r)";
const HUNDRED_MB: &str = "import sys\nline = ('x' * 999 + '\\n') * 1000\n\
    for _ in range(100):\n    sys.stdout.write(line)";

/// How long a call takes.
const PAUSE: Duration = Duration::from_millis(10);

fn at_once(name: &str, count: u32) -> String {
    let calls = format!("{name}(x=i) for i in range({count})");
    format!("import asyncio\nr = await asyncio.gather(*[{calls}])\nprint(len(r))")
}

pub(crate) fn measure(figures: &mut Figures) {
    let runtime = runtime();
    let number = serde_json::json!({});
    let echo = DynamicCallback::new("echo", |arguments| async move {
        Ok(serde_json::Value::from(arguments.json["x"].as_u64().unwrap() + 1))
    })
    .parameter("x", number.clone(), true);
    let slow = DynamicCallback::new("slow", |arguments| async move {
        tokio::time::sleep(PAUSE).await;
        Ok(arguments.json["x"].clone())
    })
    .parameter("x", number.clone(), true);
    let sleeper = Sleeper::start();
    let exact = DynamicCallback::new("exact", move |arguments| {
        let end = sleeper.sleep(PAUSE);
        async move {
            end.await.unwrap();
            Ok(arguments.json["x"].clone())
        }
    })
    .parameter("x", number, true);
    let calls = CallbackLimits::default().with_calls(u64::MAX).with_in_flight(1000);
    let limits = ResourceLimits::default().with_callbacks(calls);
    let builder = Sandbox::embedded().limits(limits);
    let sandbox = builder.callback(echo).callback(slow).callback(exact).build().unwrap();
    let live = runtime.block_on(sandbox.session()).unwrap();
    let run = |code: &str, shown: &str| {
        milliseconds(|| {
            assert_eq!(runtime.block_on(live.execute(code)).unwrap().stdout, shown);
        })
    };
    // A thousand calls: milliseconds of all are microseconds of one.
    figures.insert("callback_us".to_owned(), Figure::repeat(30, || run(LOOP, "1000\n")));
    for (key, name, count, runs) in [
        ("gather100_ms", "slow", 100, 50),
        ("gather100_exact_ms", "exact", 100, 50),
        ("gather10000_ms", "slow", 10_000, 10),
    ] {
        let (code, shown) = (at_once(name, count), format!("{count}\n"));
        figures.insert(key.to_owned(), Figure::repeat(runs, || run(&code, &shown)));
    }
    let stream = || milliseconds(|| runtime.block_on(stream()));
    // 100 MB in so many milliseconds.
    let took = Figure::repeat(10, stream);
    let rate = Figure { median: 1e5 / took.median, least: 1e5 / took.least, runs: took.runs };
    figures.insert("stream_mb_per_s".to_owned(), rate);
}

async fn stream() {
    let sandbox = Sandbox::embedded().build().unwrap();
    let (sender, mut listener) = mpsc::channel(8);
    let run = sandbox.prepare(HUNDRED_MB).with_output_streaming(sender).run();
    let listen = async {
        let mut bytes = 0;
        while let Some(chunk) = listener.recv().await {
            bytes += chunk.bytes.len();
        }
        bytes
    };
    let (ended, bytes) = tokio::join!(run, listen);
    ended.unwrap();
    assert_eq!(bytes, 100_000_000);
}
