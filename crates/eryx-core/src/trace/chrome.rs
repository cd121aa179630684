use super::{TraceEvent, TraceKind};
use serde_json::{Value, json};

/// A trace as a JSON file that `chrome://tracing`, Perfetto and Speedscope show.
///
/// Functions are bars on the thread "Python", callbacks on their own; lines are
/// left out, exceptions are marks. The end of a callback says how long it took and
/// whether it failed.
///
/// ```
/// let file = eryx_core::chrome_trace(&[]);
/// assert!(file["traceEvents"].as_array().is_some());
/// ```
pub fn chrome_trace(events: &[TraceEvent]) -> Value {
    let mut all = vec![json!({
        "ph": "M", "pid": 1, "tid": 1, "name": "thread_name", "args": { "name": "Python" },
    })];
    all.extend(events.iter().filter_map(entry));
    json!({ "traceEvents": all, "displayTimeUnit": "ms" })
}

fn entry(event: &TraceEvent) -> Option<Value> {
    let (phase, id) = match event.kind {
        TraceKind::Line => return None,
        TraceKind::Call | TraceKind::Resume => ("B", None),
        TraceKind::Return | TraceKind::Suspend => ("E", None),
        TraceKind::Exception => ("i", None),
        TraceKind::CallbackStart { call } => ("b", Some(call)),
        TraceKind::CallbackEnd { call, .. } => ("e", Some(call)),
    };
    let name = if phase == "i" { &event.detail } else { &event.function };
    let args = match event.kind {
        TraceKind::CallbackStart { .. } => json!({}),
        TraceKind::CallbackEnd { duration, failed, .. } => {
            json!({ "milliseconds": duration.as_secs_f64() * 1e3, "failed": failed })
        }
        _ => json!({ "file": &*event.filename, "line": event.line }),
    };
    let mut entry = json!({
        "ph": phase,
        "pid": 1,
        "tid": 1,
        // Microseconds.
        "ts": event.time.as_secs_f64() * 1e6,
        "name": &**name,
        "cat": if id.is_some() { "callback" } else { "python" },
        "args": args,
    });
    if let Some(id) = id {
        entry["id"] = json!(id);
    }
    if phase == "i" {
        entry["s"] = json!("t");
    }
    Some(entry)
}
