//! What an embedder sees of a run from outside while it goes on: calls, events,
//! output, and what memory it has; and bytes in typed callbacks.

use crate::support::sandbox;
use eryx::{
    Bytes, CallbackError, CallbackReply, CallbackRequest, Callbacks, DynamicCallback,
    HostCallbackInfo, MemoryTracker, OutputRequest, OutputStream, ResourceLimits, RunOptions,
    RuntimeView, Sandbox, TraceKind, TraceRequest, TypedCallback,
};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

fn named(name: &str) -> DynamicCallback {
    DynamicCallback::new(name, |_| async { Ok(json!("answered here")) })
        .describe("Says something.")
        .parameter("value", json!({ "type": "integer" }), true)
}

#[test]
fn the_guest_is_told_what_a_callback_is() {
    let callbacks = Callbacks::new([Arc::new(named("a.say")) as _, Arc::new(reverse) as _]);
    let callbacks = callbacks.unwrap();
    let [first, second]: &[HostCallbackInfo; 2] = callbacks.infos().try_into().unwrap();
    assert_eq!((first.name.as_str(), first.description.as_str()), ("a.say", "Says something."));
    let schema: serde_json::Value = serde_json::from_str(&first.parameters_schema_json).unwrap();
    assert_eq!(schema["properties"]["value"], json!({ "type": "integer" }));
    assert_eq!(schema["required"], json!(["value"]));
    assert_eq!((second.name.as_str(), second.description.as_str()), ("reverse", "Turns it round."));
    assert_eq!(first.clone(), *first);
    assert!(format!("{callbacks:?}").contains("a.say"));
}

#[tokio::test]
async fn requests_carry_all_of_a_call_and_its_answer() {
    let (sender, mut requests) = mpsc::channel::<CallbackRequest>(1);
    let callbacks = Callbacks::new([Arc::new(named("ask")) as _]).unwrap();
    let code = "import asyncio\nprint(await ask(1), await ask(b'\\xff'))\nfor n in range(3):\n    \
                try: await ask(n)\n    except CallbackError as error: print(error.kind, error)\n\
                task = asyncio.create_task(ask(9))\nawait asyncio.sleep(0.05)\ntask.cancel()\n\
                await asyncio.sleep(0.05)";
    let run = sandbox().prepare(code).with_callbacks(&callbacks.through(&sender)).spawn();
    drop(sender);
    let mut answers = 0;
    while let Some(CallbackRequest { name, arguments, reply, .. }) = requests.recv().await {
        assert_eq!(name, "ask");
        answers += 1;
        match answers {
            1 => {
                assert_eq!((arguments.json, arguments.bytes.len()), (json!({ "value": 1 }), 0));
                reply.send(Ok(CallbackReply::Json(json!([1])))).unwrap();
            }
            2 => {
                assert_eq!(arguments.bytes, [("value".to_owned(), Bytes::from_static(b"\xff"))]);
                reply.send(Ok(Bytes::from_static(b"\0").into())).unwrap();
            }
            3 => reply.send(Err(CallbackError::failed("no"))).unwrap(),
            4 => reply.send(Err(CallbackError::Cancelled("gone".into()))).unwrap(),
            // Nobody answers.
            5 => drop(reply),
            _ => {
                let mut reply = reply;
                reply.closed().await;
            }
        }
    }
    let output = run.wait().await.unwrap();
    let gone = "cancelled the host no longer answers calls";
    assert_eq!(output.stdout, format!("[1] b'\\x00'\nfailed no\ncancelled gone\n{gone}\n"));
    assert_eq!((answers, output.callback_invocations), (6, 6));
}

#[tokio::test]
async fn requests_that_nobody_takes() {
    let (sender, requests) = mpsc::channel::<CallbackRequest>(1);
    drop(requests);
    let callbacks = Callbacks::new([Arc::new(named("ask")) as _]).unwrap();
    let code = "try: await ask(1)\nexcept CallbackError as error: print(error.kind)";
    let run = sandbox().prepare(code).with_callbacks(&callbacks.through(&sender));
    assert_eq!(run.run().await.unwrap().stdout, "cancelled\n");
}

#[tokio::test]
async fn events_on_their_way_are_those_that_are_kept() {
    let (sender, mut events) = mpsc::channel::<TraceRequest>(1);
    let sandbox = Sandbox::embedded().callback(named("ask")).build().unwrap();
    let code = "def f():\n    return 1\nf()\nawait ask(1)\ntry:\n    1/0\nexcept Exception: pass";
    let run = sandbox.prepare(code).with_trace(<_>::default()).with_tracing(sender).spawn();
    let mut heard = Vec::new();
    while let Some(event) = events.recv().await {
        heard.push(event);
    }
    let output = run.wait().await.unwrap();
    assert_eq!(heard, output.trace);
    assert!(heard.is_sorted_by_key(|event| event.time));
    let of = |kind: fn(&TraceKind) -> bool| heard.iter().filter(|event| kind(&event.kind)).count();
    assert_eq!(of(|kind| matches!(kind, TraceKind::CallbackStart { call: 1 })), 1);
    assert_eq!(of(|kind| matches!(kind, TraceKind::CallbackEnd { call: 1, failed: false, .. })), 1);
    assert_eq!(of(|kind| matches!(kind, TraceKind::Exception)), 1);
    let line = heard.iter().find(|event| event.kind == TraceKind::Line && &*event.function == "f");
    let line = line.unwrap();
    assert_eq!((&*line.filename, line.line, &*line.detail), ("main.py", 2, ""));
}

#[tokio::test]
async fn output_on_its_way_says_where_to() {
    let (sender, mut output) = mpsc::channel::<OutputRequest>(1);
    let code = "import sys\nprint('a')\nprint('b', file=sys.stderr)";
    let run = sandbox().prepare(code).with_output_streaming(sender).spawn();
    let mut heard = Vec::new();
    while let Some(OutputRequest { stream, bytes, .. }) = output.recv().await {
        heard.push((stream, bytes));
    }
    run.wait().await.unwrap();
    assert_eq!(
        heard,
        [
            (OutputStream::Stdout, Bytes::from_static(b"a\n")),
            (OutputStream::Stderr, Bytes::from_static(b"b\n")),
        ]
    );
}

#[tokio::test]
async fn memory_is_told_of_each_run() {
    let limits = ResourceLimits::default().with_memory_bytes(100 << 20);
    let mut interpreter = sandbox().executor().start(&limits).await.unwrap();
    let mut options = RunOptions::default();
    options.limits = limits;
    let mut look = async |code: &str| {
        let ended = interpreter.execute(code, &options).await;
        let memory: &MemoryTracker = interpreter.data_mut().unwrap().runtime().memory();
        let told = ended.as_ref().unwrap_or_else(|error| error.output().unwrap());
        assert_eq!(told.peak_memory_bytes, memory.peak());
        assert_eq!(memory.limit(), 100 << 20);
        (memory.peak(), memory.was_refused())
    };
    let (small, refused) = look("x = 1").await;
    assert!(!refused && (1 << 20..40 << 20).contains(&small), "{small}");
    let (large, refused) = look("x = bytearray(40 << 20)").await;
    assert!(!refused && (40 << 20..100 << 20).contains(&large), "{large}");
    let (most, refused) = look("y = bytearray(90 << 20)").await;
    assert!(refused && most <= 100 << 20, "{most}");
    let (still, refused) = look("x = 1").await;
    assert!(!refused && still >= large, "{still}");
}

/// Turns it round.
#[eryx::callback]
async fn reverse(
    /// What to turn.
    data: Bytes,
    more: Option<Vec<u8>>,
    times: Option<u8>,
) -> Bytes {
    let mut all = data.to_vec();
    all.extend(more.unwrap_or_default());
    for _ in 0..times.unwrap_or(1) {
        all.reverse();
    }
    all.into()
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Named {
    name: String,
    data: Vec<u8>,
}

struct Count;

impl TypedCallback for Count {
    type Arguments = Named;
    type Reply = Option<Bytes>;

    #[expect(clippy::unnecessary_literal_bound, reason = "the trait says `&str`")]
    fn name(&self) -> &str {
        "count"
    }

    async fn call(&self, named: Named) -> Result<Option<Bytes>, CallbackError> {
        let text = format!("{} {}", named.name, named.data.len());
        Ok((!named.data.is_empty()).then(|| text.into()))
    }
}

#[tokio::test]
async fn typed_callbacks_take_and_give_bytes() {
    let sandbox = Sandbox::embedded().callback(reverse).callback(Count).build().unwrap();
    let code = r#"
import inspect
print(inspect.signature(reverse), inspect.signature(count))
print(await reverse(b"\x00\xff"), await reverse(bytearray(b"ab"), more=b"cd", times=1))
print(await reverse([1, 2]), await reverse(b"ab", None, 2), await reverse(b""))
print(await count("a", b"xyz"), await count("a", []), await count("a", b""))
for call in lambda: count(b"a", b"b"), lambda: reverse(b"a", times=b"1"), lambda: count("a", [256]):
    try:
        print(await call())
    except TypeError as error:
        print(error)
"#;
    let printed = sandbox.execute(code).await.unwrap().stdout;
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "(data, more: bytes | None = None, times: int | None = None) \
             (name: str, data: bytes)",
            r"b'\xff\x00' b'dcba'",
            r"b'\x02\x01' b'ab' b''",
            "b'a 3' None None",
        ]
    );
    assert!(lines[4].contains("expected a string"), "{}", lines[4]);
    assert!(lines[5].contains("expected u8"), "{}", lines[5]);
    assert!(lines[6].contains("expected u8"), "{}", lines[6]);
}
