//! Functions of the host that Python calls.
#![expect(clippy::unnecessary_literal_bound, reason = "the trait says `&str`")]

use crate::support::stdout_of;
use eryx::{
    Callback, CallbackArguments, CallbackError, CallbackFuture, CallbackLimits, CallbackReply,
    DynamicCallback, Error, ResourceLimits, Sandbox, TypedCallback,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Answers with what it was given.
fn echo() -> DynamicCallback {
    DynamicCallback::new("echo", |arguments| async move { Ok(arguments.json["value"].clone()) })
        .describe("Says it again.")
        .parameter("value", json!({}), true)
}

fn failing(name: &str, error: CallbackError) -> DynamicCallback {
    DynamicCallback::new(name, move |_| {
        let error = error.clone();
        async move { Err::<Value, _>(error) }
    })
}

/// Takes so long.
fn slow(time: Duration) -> DynamicCallback {
    DynamicCallback::new("slow", move |_| async move {
        tokio::time::sleep(time).await;
        Ok(json!("done"))
    })
}

fn limited(limits: CallbackLimits) -> ResourceLimits {
    ResourceLimits::default().with_callbacks(limits)
}

#[tokio::test]
async fn values_arrive_as_they_were() {
    let code = r#"
for value in [None, True, 0, -2**63, 2**64 - 1, 0.1, 1e308, 5e-324, -0.0, "", "é\n\0😀",
              [], {}, [[1, {"a": [None]}]], {"": 1, "b": 2, "a": 3}]:
    answer = await echo(value)
    assert answer == value and repr(answer) == repr(value), (answer, value)
print("same")
"#;
    let sandbox = Sandbox::embedded().callback(echo()).build().unwrap();
    assert_eq!(stdout_of(&sandbox, code).await, "same\n");
}

#[tokio::test]
async fn bytes_cross_as_they_are() {
    let reverse = DynamicCallback::new("reverse", |arguments: CallbackArguments| async move {
        let (name, bytes) = &arguments.bytes[0];
        assert_eq!((name.as_str(), arguments.json["n"].as_i64()), ("data", Some(3)));
        Ok(bytes.iter().rev().copied().collect::<Vec<u8>>())
    })
    .parameter("data", json!({ "type": "string" }), true)
    .parameter("n", json!({ "type": "integer" }), true);
    let sandbox = Sandbox::embedded().callback(reverse).build().unwrap();
    let code = "for kind in bytes, bytearray, memoryview:\n    \
        print(await reverse(kind(b'\\x00\\xff\\x80'), n=3))";
    assert_eq!(stdout_of(&sandbox, code).await, "b'\\x80\\xff\\x00'\n".repeat(3));
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Forecast {
    city: String,
    #[serde(default = "three")]
    days: u32,
    unit: Option<String>,
}

fn three() -> u32 {
    3
}

struct Weather;

impl TypedCallback for Weather {
    type Arguments = Forecast;
    type Reply = String;

    fn name(&self) -> &str {
        "weather.forecast"
    }

    fn description(&self) -> &str {
        "How it will be."
    }

    async fn call(&self, forecast: Forecast) -> Result<String, CallbackError> {
        let Forecast { city, days, unit } = forecast;
        Ok(format!("{city} {days} {}", unit.unwrap_or_default()))
    }
}

#[tokio::test]
async fn they_are_async_functions_with_a_signature() {
    let code = r#"
import inspect
print(inspect.signature(weather.forecast))
print(weather.forecast.__doc__, inspect.iscoroutinefunction(weather.forecast))
print(await weather.forecast("Bern"), await weather.forecast(unit="C", city="Rom", days=1))
for wrong in [lambda: weather.forecast(), lambda: weather.forecast("a", town="b"),
              lambda: weather.forecast("a", 1, "b", 2), lambda: weather.forecast("a", "many")]:
    try:
        await wrong()
    except TypeError as error:
        print(error)
print([callback["name"] for callback in list_callbacks()])
print([name for name in globals() if not name.startswith("__")])
"#;
    let sandbox = Sandbox::embedded().callback(Weather).build().unwrap();
    let printed = stdout_of(&sandbox, code).await;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "(city: str, days: int = 3, unit: str | None = None)");
    assert_eq!(lines[1], "How it will be. True");
    assert_eq!(lines[2], "Bern 3  Rom 1 C");
    assert_eq!(lines[3], "missing a required argument: 'city'");
    assert_eq!(lines[4], "got an unexpected keyword argument 'town'");
    assert_eq!(lines[5], "too many positional arguments");
    assert!(lines[6].starts_with("invalid type: string \"many\", expected u32"), "{}", lines[6]);
    assert_eq!(lines[7], "['weather.forecast']");
    assert_eq!(lines[8], "['inspect', 'wrong']");
}

#[tokio::test]
async fn help_shows_the_signature_and_the_description() {
    let sandbox = Sandbox::embedded().callback(Weather).callback(echo()).build().unwrap();
    let printed = stdout_of(&sandbox, "help(weather.forecast)\nhelp(echo)").await;
    for expected in [
        "async forecast(city: str, days: int = 3, unit: str | None = None)",
        "How it will be.",
        "async echo(value)",
        "Says it again.",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
}

#[tokio::test]
async fn failures_have_classes_of_their_own() {
    let sandbox = Sandbox::embedded()
        .limits(limited(CallbackLimits::default().with_timeout(Duration::from_millis(50))))
        .callback(failing("fails", CallbackError::failed("no such city")))
        .callback(failing("withdrawn", CallbackError::Cancelled("gone".into())))
        .callback(slow(Duration::from_mins(1)))
        .build()
        .unwrap();
    let code = r"
import eryx
for call in fails, withdrawn, slow:
    try:
        await call()
    except CallbackError as error:
        assert isinstance(error, eryx.CallbackError)
        print(type(error).__name__, isinstance(error, TimeoutError), error.kind, error.callback, error)
";
    let expected = "CallbackError False failed fails no such city\n\
        CallbackCancelledError False cancelled withdrawn gone\n\
        CallbackTimeoutError True timed-out slow slow took longer than 50ms, its time limit\n";
    assert_eq!(stdout_of(&sandbox, code).await, expected);
}

#[tokio::test]
async fn calls_go_on_side_by_side() {
    let sandbox = Sandbox::embedded()
        .limits(limited(CallbackLimits::default().with_in_flight(100)))
        .callback(slow(Duration::from_millis(200)))
        .build()
        .unwrap();
    let code = "import asyncio\n\
        print(set(await asyncio.gather(*(slow() for _ in range(100)))))";
    let output = sandbox.execute(code).await.unwrap();
    assert_eq!(output.stdout, "{'done'}\n");
    assert_eq!(output.callback_invocations, 100);
    // One after the other they would take 20 s.
    assert!(output.duration < Duration::from_secs(10), "{:?}", output.duration);
}

/// What ends the futures of several answers at once calls the program's own loop.
#[tokio::test]
async fn a_loop_that_waits_or_fails_between_answers_loses_none() {
    let code = r#"
import asyncio, time
class Loop(asyncio.SelectorEventLoop):
    failures = 0
    def call_soon(self, callback, *args, context=None):
        time.sleep(0.002)
        if self.failures and "wakeup" in repr(callback):
            self.failures -= 1
            super().call_soon(callback, *args, context=context)
            raise ArithmeticError
        return super().call_soon(callback, *args, context=context)
async def all():
    return len(await asyncio.gather(*[slow() for _ in range(20)]))
with asyncio.Runner(loop_factory=Loop) as runner:
    print(runner.run(all()))
    loop = runner.get_loop()
    loop.failures = 3
    task = loop.create_task(all())
    while not task.done():
        try:
            loop.run_until_complete(task)
        except ArithmeticError:
            print("failed")
    print(task.result())
"#;
    let sandbox = Sandbox::embedded().callback(slow(Duration::from_millis(5))).build().unwrap();
    let printed = stdout_of(&sandbox, code).await;
    assert_eq!(printed, "20\nfailed\nfailed\nfailed\n20\n");
}

#[tokio::test]
async fn giving_a_call_up_drops_it() {
    struct Guarded(Arc<AtomicUsize>);

    impl Callback for Guarded {
        fn name(&self) -> &str {
            "guarded"
        }

        fn invoke(&self, _: CallbackArguments) -> CallbackFuture<'_> {
            let guard = CountsDrop(Arc::clone(&self.0));
            Box::pin(async move {
                tokio::time::sleep(Duration::from_hours(1)).await;
                drop(guard);
                Ok(CallbackReply::Json(Value::Null))
            })
        }
    }

    struct CountsDrop(Arc<AtomicUsize>);

    impl Drop for CountsDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let dropped = Arc::new(AtomicUsize::new(0));
    let sandbox = Sandbox::embedded().callback(Guarded(Arc::clone(&dropped))).build().unwrap();
    let code = "import asyncio\n\
        try:\n    await asyncio.wait_for(guarded(), 0.05)\n\
        except TimeoutError:\n    print('gave up')\n\
        await asyncio.sleep(0.05)";
    assert_eq!(stdout_of(&sandbox, code).await, "gave up\n");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn names_are_checked_before_anything_runs() {
    let named = |name: &str| failing(name, CallbackError::failed(""));
    for names in
        [&["1a"][..], &["a b"], &["a..b"], &["class"], &["__x"], &["é"], &["a", "a"], &["a", "a.b"]]
    {
        let mut builder = Sandbox::embedded();
        for name in names {
            builder = builder.callback(named(name));
        }
        assert!(matches!(builder.build(), Err(Error::Config(_))), "{names:?}");
    }
    let bad = named("a").schema(json!("string"));
    assert!(matches!(Sandbox::embedded().callback(bad).build(), Err(Error::Config(_))));
}

#[tokio::test]
async fn requests_can_be_answered_elsewhere() {
    let (sender, mut requests) = tokio::sync::mpsc::channel(4);
    let callbacks = eryx::Callbacks::new([Arc::new(echo()) as _]).unwrap();
    let sandbox = Sandbox::embedded().build().unwrap();
    let run = sandbox.prepare("print(await echo(3))").with_callbacks(&callbacks.through(&sender));
    let answer = async {
        let request = requests.recv().await.unwrap();
        assert_eq!(request.name, "echo");
        let value = request.arguments.json["value"].as_i64().unwrap();
        request.reply.send(Ok(json!(value + 1).into())).unwrap();
    };
    let (output, ()) = tokio::join!(run.run(), answer);
    assert_eq!(output.unwrap().stdout, "4\n");
}

/// Adds two numbers.
///
/// The second is 1 unless it is given.
#[eryx::callback(name = "math.add")]
async fn add(
    /// The first one.
    a: i64,
    #[serde(default = "one")] b: i64,
) -> i64 {
    a + b
}

fn one() -> i64 {
    1
}

#[eryx::callback]
async fn find(mut name: String, limit: Option<u8>) -> Result<Vec<String>, std::io::Error> {
    name.make_ascii_uppercase();
    if limit == Some(0) {
        return Err(std::io::Error::other("a limit of nothing"));
    }
    Ok(vec![name; usize::from(limit.unwrap_or(1))])
}

#[eryx::callback]
async fn nothing() {}

#[tokio::test]
async fn functions_become_callbacks() {
    let sandbox =
        Sandbox::embedded().callback(add).callback(find).callback(nothing).build().unwrap();
    let code = r#"
import inspect
print(inspect.signature(math.add), inspect.signature(find), inspect.signature(nothing))
print(math.add.__doc__)
print(list_callbacks()[0]["parameters"]["properties"]["a"]["description"])
print(await math.add(2), await math.add(2, b=3), await find("x", 2), await nothing())
try:
    await find("x", 0)
except CallbackError as error:
    print(error)
try:
    await find("x", 1000)
except TypeError as error:
    print("refused")
"#;
    let expected = "(a: int, b: int = 1) (name: str, limit: int | None = None) ()\n\
        Adds two numbers.\n\nThe second is 1 unless it is given.\nThe first one.\n\
        3 5 ['X', 'X'] None\na limit of nothing\nrefused\n";
    assert_eq!(stdout_of(&sandbox, code).await, expected);
}

#[tokio::test]
async fn answers_are_not_kept() {
    let large = DynamicCallback::new("large", |_| async { Ok(vec![1_u8; 1 << 20]) });
    let limits = ResourceLimits::default().with_memory_bytes(64 << 20);
    let sandbox = Sandbox::embedded().limits(limits).callback(large).build().unwrap();
    let code = "n = 0\nfor _ in range(200):\n    n += len(await large())\nprint(n)";
    assert_eq!(sandbox.execute(code).await.unwrap().stdout, "209715200\n");
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Number {
    text: String,
}

/// Answers the number that the text means.
struct Parse;

impl TypedCallback for Parse {
    type Arguments = Number;
    type Reply = Vec<f64>;

    fn name(&self) -> &str {
        "parse"
    }

    async fn call(&self, number: Number) -> Result<Vec<f64>, CallbackError> {
        Ok(vec![number.text.parse().map_err(CallbackError::failed)?])
    }
}

#[tokio::test]
async fn case_43_replies_that_json_cannot_hold() {
    let sandbox = Sandbox::embedded().callback(Parse).build().unwrap();
    let code = r#"
print(await parse("1.5"))
for text in "nan", "inf", "-inf":
    try:
        print(await parse(text))
    except CallbackError as error:
        print(error.kind, "JSON" in str(error))
"#;
    let refused = "invalid-reply True\n".repeat(3);
    assert_eq!(stdout_of(&sandbox, code).await, format!("[1.5]\n{refused}"));
}

#[tokio::test]
async fn names_that_python_needs_itself_are_refused() {
    for name in ["len", "print", "open", "list_callbacks", "CallbackError", "input.line"] {
        let callback = DynamicCallback::new(name, |_| async { Ok(json!(1)) });
        let error = Sandbox::embedded().callback(callback).build().unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_parameter_can_have_the_name_of_the_rest() {
    struct Open;
    impl Callback for Open {
        fn name(&self) -> &str {
            "take"
        }
        fn parameters_schema(&self) -> Value {
            json!({ "type": "object", "properties": { "kwargs": {}, "b": {} },
                    "required": ["b"], "additionalProperties": true })
        }
        fn invoke(&self, arguments: CallbackArguments) -> CallbackFuture<'_> {
            Box::pin(async move { Ok(CallbackReply::Json(arguments.json)) })
        }
    }
    let sandbox = Sandbox::embedded().callback(Open).build().unwrap();
    let code = "import inspect\nprint(inspect.signature(take))\nprint(await take(1, 2, c=3))\n\
                print(await take(1, kwargs=2, _kwargs=4))";
    assert_eq!(
        stdout_of(&sandbox, code).await,
        "(b, kwargs=None, **_kwargs)\n{'b': 1, 'kwargs': 2, 'c': 3}\n\
         {'b': 1, 'kwargs': 2, '_kwargs': 4}\n"
    );
}

#[tokio::test]
async fn a_function_of_an_earlier_run_calls_what_has_its_name() {
    fn named(name: &str) -> DynamicCallback {
        let reply = json!(name);
        DynamicCallback::new(name, move |_| {
            let reply = reply.clone();
            async move { Ok(reply) }
        })
    }
    fn set(names: &[&str]) -> eryx::Callbacks {
        eryx::Callbacks::new(names.iter().map(|name| Arc::new(named(name)) as Arc<dyn Callback>))
            .unwrap()
    }
    let mut options = eryx::RunOptions::default();
    let executor = Sandbox::embedded().build().unwrap().executor().clone();
    let mut interpreter = executor.start(&options.limits).await.unwrap();
    let mut run = async |code: &str, names: &[&str]| {
        options.callbacks = set(names);
        interpreter.execute(code, &options).await.unwrap().stdout.into_string()
    };
    assert_eq!(run("f = first\nprint(await f())", &["first", "second"]).await, "first\n");
    assert_eq!(run("print(await f())", &["second", "first"]).await, "first\n");
    let code = "try:\n    await f()\nexcept CallbackError as error:\n    \
                print(error.kind, error.callback, error)";
    let gone = "gone first the host has no callback first any more\n";
    assert_eq!(run(code, &["second"]).await, gone);
    assert_eq!(run(code, &[]).await, gone);
    assert_eq!(run("print(await f())", &["first"]).await, "first\n");
}
