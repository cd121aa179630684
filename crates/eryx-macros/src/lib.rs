//! The attribute `#[callback]`. Use it through `eryx`, which re-exports it.

mod callback;

use proc_macro::TokenStream;

/// Makes a callback of an async function.
///
/// In the function's place there is a unit struct of its name that implements
/// `TypedCallback`: hand it to `SandboxBuilder::callback`. The function's doc
/// comment is what `help()` shows in Python; doc comments and serde attributes
/// of parameters count too. Parameters of type `Option` may be left out.
///
/// The function returns a value that serde can write, or a `Result` of one whose
/// error becomes a `CallbackError`.
///
/// ```
/// use eryx::{CallbackError, callback};
///
/// /// How warm it will be.
/// #[callback(name = "weather.forecast")]
/// async fn forecast(
///     /// The city's name.
///     city: String,
///     days: Option<u32>,
/// ) -> Result<f64, CallbackError> {
///     if city.is_empty() {
///         return Err("a city has a name".into());
///     }
///     Ok(20.0 + f64::from(days.unwrap_or(1)))
/// }
///
/// let sandbox = eryx::Sandbox::embedded().callback(forecast);
/// # let _ = sandbox;
/// ```
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `name = "a.b"` | the name in Python | the function's |
/// | `crate = "path"` | where `TypedCallback` is found | `::eryx` |
#[proc_macro_attribute]
pub fn callback(arguments: TokenStream, item: TokenStream) -> TokenStream {
    callback::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
