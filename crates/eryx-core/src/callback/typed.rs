use super::arguments;
use super::finite::check_finite;
use super::{Callback, CallbackArguments, CallbackError, CallbackFuture, CallbackReply};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A callback whose arguments and answer are Rust types.
///
/// ```
/// use eryx_core::{CallbackError, TypedCallback};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Point {
///     x: f64,
///     #[serde(default)]
///     y: f64,
/// }
///
/// struct Length;
///
/// impl TypedCallback for Length {
///     type Arguments = Point;
///     type Reply = f64;
///
///     fn name(&self) -> &str {
///         "length"
///     }
///
///     async fn call(&self, point: Point) -> Result<f64, CallbackError> {
///         Ok(point.x.hypot(point.y))
///     }
/// }
/// ```
///
/// In Python it is `await length(x, y=0.0)`.
pub trait TypedCallback: Send + Sync + 'static {
    /// A struct whose fields are the parameters. What Python passes as `bytes` goes
    /// to fields of the type [`Bytes`](crate::Bytes) or `Vec<u8>`.
    type Arguments: DeserializeOwned + JsonSchema + Send;
    /// What Python is answered: as `bytes` if it is [`Bytes`](crate::Bytes), which
    /// `Vec<u8>` and bytes within other values are not, else as its JSON. Numbers in
    /// it must be finite.
    type Reply: Serialize + Send;

    /// As [`Callback::name`].
    fn name(&self) -> &str;

    /// As [`Callback::description`].
    #[expect(clippy::unnecessary_literal_bound, reason = "others return what they own")]
    fn description(&self) -> &str {
        ""
    }

    /// Answers a call.
    fn call(
        &self,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Self::Reply, CallbackError>> + Send;
}

impl<C: TypedCallback> Callback for C {
    fn name(&self) -> &str {
        TypedCallback::name(self)
    }

    fn description(&self) -> &str {
        TypedCallback::description(self)
    }

    fn parameters_schema(&self) -> Value {
        schemars::schema_for!(C::Arguments).into()
    }

    fn invoke(&self, arguments: CallbackArguments) -> CallbackFuture<'_> {
        Box::pin(async move {
            let arguments = arguments::read(arguments)
                .map_err(|error| CallbackError::InvalidArguments(error.to_string()))?;
            let reply = self.call(arguments).await?;
            match check_finite(&reply) {
                Ok(Some(bytes)) => Ok(CallbackReply::Bytes(bytes)),
                Ok(None) => serde_json::to_value(reply).map(CallbackReply::Json),
                Err(error) => Err(error),
            }
            .map_err(|error| CallbackError::InvalidReply(error.to_string()))
        })
    }
}
