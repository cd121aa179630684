//! What a program does, told while it does it; and doing the same twice.

use crate::support::sandbox;
use eryx::{
    DynamicCallback, ExecutionOutput, Sandbox, TraceEvent, TraceKind, TraceOptions, chrome_trace,
};
use std::time::Duration;
use tokio::sync::mpsc;

async fn traced(sandbox: &Sandbox, code: &str, options: TraceOptions) -> ExecutionOutput {
    sandbox.prepare(code).with_trace(options).run().await.unwrap()
}

fn short(event: &TraceEvent) -> String {
    let name = match event.kind {
        TraceKind::Line => return format!("{}", event.line),
        TraceKind::Call => "call",
        TraceKind::Return => "return",
        TraceKind::Suspend => "suspend",
        TraceKind::Resume => "resume",
        TraceKind::Exception => return format!("{} in {}", event.detail, event.function),
        TraceKind::CallbackStart { .. } => "callback",
        TraceKind::CallbackEnd { .. } => "answer",
        _ => "?",
    };
    format!("{name} {}", event.function)
}

fn list(output: &ExecutionOutput) -> Vec<String> {
    output.trace.iter().map(short).collect()
}

#[tokio::test]
async fn lines_calls_and_exceptions() {
    let code = "import json\ndef f(x):\n    json.dumps(x)\n    raise ValueError(x)\n\
        try:\n    f([1])\nexcept ValueError:\n    pass";
    let output = traced(&sandbox(), code, TraceOptions::default()).await;
    assert_eq!(
        list(&output),
        [
            "call <module>",
            "1",
            "2",
            "5",
            "6",
            "call f",
            "3",
            "4",
            "ValueError in f",
            "return f",
            "ValueError in <module>",
            "7",
            "8",
            "return <module>",
        ]
    );
    let event = &output.trace[8];
    assert_eq!((&*event.filename, event.line), ("main.py", 4));
    assert_eq!(&*output.trace[9].detail, "ValueError");
    assert!(output.trace.is_sorted_by_key(|event| event.time));
    assert!(!output.truncated.trace);
}

#[tokio::test]
async fn awaits_suspend_and_resume() {
    let fetch = DynamicCallback::new("fetch", |_| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(serde_json::json!(1))
    });
    let sandbox = Sandbox::embedded().callback(fetch).build().unwrap();
    let code = "async def f():\n    return await fetch()\nawait f()";
    let output = traced(&sandbox, code, TraceOptions::default().with_lines(false)).await;
    assert_eq!(
        list(&output),
        [
            "call <module>",
            "call f",
            "callback fetch",
            "suspend f",
            "suspend <module>",
            "resume <module>",
            "resume f",
            "answer fetch",
            "return f",
            "return <module>",
        ]
    );
    let TraceKind::CallbackEnd { call: 1, duration, failed: false } = output.trace[7].kind else {
        panic!("{:?}", output.trace[7]);
    };
    assert!(duration >= Duration::from_millis(30), "{duration:?}");

    let file = chrome_trace(&output.trace);
    let phases: Vec<_> = file["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["ph"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["M", "B", "B", "b", "E", "E", "B", "B", "e", "E", "E"]);
}

#[tokio::test]
async fn a_listener_hears_it_at_once_and_nothing_is_kept() {
    let (sender, mut listener) = mpsc::channel(1);
    let run = sandbox().prepare("x = 1\nwhile True: pass").with_tracing(sender).spawn();
    for expected in ["call <module>", "1", "2"] {
        assert_eq!(short(&listener.recv().await.unwrap()), expected);
    }
    run.cancel();
    while listener.recv().await.is_some() {}
    let error = run.wait().await.unwrap_err();
    let output = error.output().unwrap();
    assert_eq!((output.trace.len(), output.truncated.trace), (0, false));
}

#[tokio::test]
async fn a_long_trace_is_cut() {
    let output =
        traced(&sandbox(), "for i in range(1000):\n    i", TraceOptions::default().with_kept(10))
            .await;
    assert_eq!((output.trace.len(), output.truncated.trace), (10, true));
}

#[tokio::test]
async fn names_made_up_by_the_guest_do_not_fill_the_host() {
    let code =
        "for i in range(20_000):\n    exec(compile('0', f'{i}' + 'x' * 10_000, 'exec'))\nprint(i)";
    let output = traced(&sandbox(), code, TraceOptions::default()).await;
    assert_eq!(output.stdout, "19999\n");
    let bytes: usize = {
        let names: std::collections::HashSet<_> =
            output.trace.iter().map(|event| event.filename.clone()).collect();
        names.iter().map(|name| name.len()).sum()
    };
    assert!(bytes <= 5 << 20, "{bytes}");
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_traced() {
    assert!(sandbox().execute("1").await.unwrap().trace.is_empty());
}

const CHANCE: &str = r#"
import asyncio, os, random, secrets, time, uuid, datetime, sys
print(random.random(), secrets.token_hex(), uuid.uuid4(), os.urandom(5), {"a", "b", object})
print(time.time(), time.monotonic(), datetime.datetime.now())
start = time.monotonic()
time.sleep(1000)
await asyncio.sleep(1000)
print(time.monotonic() - start > 2000)
async def ask(n):
    return await roll(n)
done = []
for task in asyncio.as_completed([ask(n) for n in range(5)]):
    done.append(await task)
print(done)
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_makes_every_run_the_same() {
    let roll = DynamicCallback::new("roll", |arguments| async move {
        // The later it was asked, the sooner it answers.
        let n = arguments.json["n"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(50 - 10 * n)).await;
        Ok(serde_json::json!(n))
    })
    .parameter("n", serde_json::json!({ "type": "integer" }), true);
    let sandbox = Sandbox::embedded().callback(roll).build().unwrap();
    let mut outputs = Vec::new();
    for seed in [1, 1, 2] {
        let run = sandbox.prepare(CHANCE).with_seed(seed).with_fuel_limit(u64::MAX);
        outputs.push(run.run().await.unwrap());
    }
    assert!(outputs[0].stdout.ends_with("True\n[0, 1, 2, 3, 4]\n"), "{}", outputs[0].stdout);
    assert!(outputs[0].stdout.contains("2020-01-01"), "{}", outputs[0].stdout);
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
    assert_eq!(outputs[0].fuel_consumed, outputs[1].fuel_consumed);
    assert_ne!(outputs[0].stdout, outputs[2].stdout);
    // Two thousand seconds of sleep.
    assert!(outputs[0].duration < Duration::from_secs(20));
}
