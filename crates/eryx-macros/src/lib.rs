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
/// error becomes a `CallbackError`. Python's `bytes` are parameters of the type
/// `Bytes` or `Vec<u8>`, and what is returned as `Bytes` arrives as `bytes`.
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
/// What is no such function does not compile, and the compiler says why.
///
/// ```compile_fail
/// #[eryx::callback] // "write `async` before `fn`"
/// fn forecast(city: String) -> f64 {
///     20.0
/// }
/// ```
///
/// ```compile_fail
/// #[eryx::callback] // "take a `String` or another type that is not borrowed"
/// async fn forecast(city: &str) -> f64 {
///     20.0
/// }
/// ```
///
/// ```compile_fail
/// #[eryx::callback] // "a callback cannot be generic"
/// async fn forecast<C: ToString>(city: C) -> f64 {
///     20.0
/// }
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
