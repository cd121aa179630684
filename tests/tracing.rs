//! What a program does, told while it does it; and doing the same twice.

use crate::support::{load_metered, sandbox};
use eryx::{
    DynamicCallback, ExecutionOutput, Sandbox, TraceEvent, TraceKind, TraceOptions, chrome_trace,
};
use serde_json::{Value, json};
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
    let entries = file["traceEvents"].as_array().unwrap();
    let name_and_phase =
        |one: &Value| format!("{} {}", one["ph"].as_str().unwrap(), one["name"].as_str().unwrap());
    let shown: Vec<_> = entries.iter().map(name_and_phase).collect();
    assert_eq!(
        shown,
        [
            "M thread_name",
            "B <module>",
            "B f",
            "b fetch",
            "E f",
            "E <module>",
            "B <module>",
            "B f",
            "e fetch",
            "E f",
            "E <module>",
        ]
    );
    for (entry, event) in entries[1..].iter().zip(&output.trace) {
        let microseconds = entry["ts"].as_f64().unwrap();
        assert!((microseconds - event.time.as_secs_f64() * 1e6).abs() < 1.0, "{entry} {event:?}");
    }
    let [started, ended] = [&entries[3], &entries[8]];
    assert_eq!((&started["id"], &ended["id"]), (&json!(1), &json!(1)));
    assert!(entries[1].get("id").is_none());
    assert_eq!(ended["args"]["failed"], json!(false));
    assert!(ended["args"]["milliseconds"].as_f64().unwrap() >= 30.0, "{ended}");
    assert_eq!(entries[2]["args"], json!({ "file": "main.py", "line": 1 }));
}

/// All that is told at least once if it is asked for.
const OF_EACH_KIND: &str = "async def f():\n    try:\n        {}[1]\n    except KeyError:\n        await fetch()\nawait f()";

type LeaveOut = fn(&mut TraceOptions);

#[tokio::test]
async fn each_kind_can_be_left_out() {
    let fetch = DynamicCallback::new("fetch", |_| async { Ok(json!(1)) });
    let sandbox = Sandbox::embedded().callback(fetch).build().unwrap();
    let kinds: [(&str, LeaveOut); 4] = [
        ("lines", |options| options.lines = false),
        ("calls", |options| options.calls = false),
        ("exceptions", |options| options.exceptions = false),
        ("callbacks", |options| options.callbacks = false),
    ];
    let kind_of = |event: &TraceEvent| match event.kind {
        TraceKind::Line => "lines",
        TraceKind::Exception => "exceptions",
        TraceKind::CallbackStart { .. } | TraceKind::CallbackEnd { .. } => "callbacks",
        _ => "calls",
    };
    for (left_out, leave_out) in kinds {
        let mut options = TraceOptions::default();
        leave_out(&mut options);
        let output = traced(&sandbox, OF_EACH_KIND, options).await;
        for (kind, _) in kinds {
            let is_told = output.trace.iter().any(|event| kind_of(event) == kind);
            assert_eq!(is_told, kind != left_out, "{kind} without {left_out}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_has_an_end() {
    let never = DynamicCallback::new("never", |_| {
        std::future::pending::<Result<Value, eryx::CallbackError>>()
    });
    let sandbox = Sandbox::embedded().callback(never).build().unwrap();
    let code = "import asyncio\ntry:\n    await asyncio.wait_for(never(), 0.05)\n\
                except TimeoutError:\n    pass";
    let mut options = TraceOptions::default().with_lines(false);
    (options.calls, options.exceptions) = (false, false);
    let output = traced(&sandbox, code, options).await;
    assert_eq!(list(&output), ["callback never", "answer never"]);
    let TraceKind::CallbackEnd { call: 1, duration, failed: true } = output.trace[1].kind else {
        panic!("{:?}", output.trace[1]);
    };
    assert!(duration >= Duration::from_millis(40), "{duration:?}");
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
    load_metered().await;
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
