use super::{Callback, CallbackArguments, CallbackError, CallbackFuture, CallbackReply};
use serde_json::{Map, Value, json};
use std::fmt;

type Function = dyn Fn(CallbackArguments) -> CallbackFuture<'static> + Send + Sync;

/// A callback that is put together while the program runs.
///
/// ```
/// use eryx_core::DynamicCallback;
/// use serde_json::json;
///
/// let greet = DynamicCallback::new("greet", |arguments| async move {
///     let name = arguments.json["name"].as_str().unwrap_or("you").to_owned();
///     Ok(json!(format!("Hello, {name}!")))
/// })
/// .describe("Greets someone.")
/// .parameter("name", json!({ "type": "string" }), true);
/// ```
pub struct DynamicCallback {
    name: String,
    description: String,
    properties: Map<String, Value>,
    required: Vec<Value>,
    schema: Option<Value>,
    function: Box<Function>,
}

impl DynamicCallback {
    /// A callback without parameters so far. `function` answers a call; it may
    /// answer with a JSON value or with bytes.
    pub fn new<F, A, R>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(CallbackArguments) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, CallbackError>> + Send + 'static,
        R: Into<CallbackReply>,
    {
        Self {
            name: name.into(),
            description: String::new(),
            properties: Map::new(),
            required: Vec::new(),
            schema: None,
            function: Box::new(move |arguments| {
                let answer = function(arguments);
                Box::pin(async move { answer.await.map(Into::into) })
            }),
        }
    }

    /// Sets what `help()` shows.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds a parameter with its JSON Schema.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, schema: Value, required: bool) -> Self {
        let name = name.into();
        if required {
            self.required.push(Value::String(name.clone()));
        }
        self.properties.insert(name, schema);
        self
    }

    /// Sets the JSON Schema of all parameters at once.
    #[must_use]
    pub fn schema(mut self, schema: Value) -> Self {
        self.schema = Some(schema);
        self
    }
}

impl Callback for DynamicCallback {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn parameters_schema(&self) -> Value {
        self.schema.clone().unwrap_or_else(|| {
            json!({
                "type": "object",
                "properties": self.properties,
                "required": self.required,
                "additionalProperties": false,
            })
        })
    }

    fn invoke(&self, arguments: CallbackArguments) -> CallbackFuture<'_> {
        (self.function)(arguments)
    }
}

impl fmt::Debug for DynamicCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicCallback").field("name", &self.name).finish_non_exhaustive()
    }
}
