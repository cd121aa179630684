use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, ItemFn, Lit, LitStr, Meta, Pat, Path,
    PathArguments, Result, ReturnType, Type,
};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), format!("`#[callback]` belongs on an `async fn`: {error}"))
    })?;
    let options = Options::parse(arguments)?;
    check(&function)?;
    let parameters = parameters(&function)?;

    let (eryx, visibility) = (&options.eryx, &function.vis);
    let (ident, body) = (&function.sig.ident, &function.block);
    let name = options.name.clone().unwrap_or_else(|| ident.to_string());
    let description = documentation(&function.attrs);
    let documentation = function.attrs.iter().filter(|one| one.path().is_ident("doc"));
    let other = function.attrs.iter().filter(|one| !one.path().is_ident("doc"));
    let (reply, fallible) = reply(&function.sig.output);
    let output = &function.sig.output;

    let fields = parameters.iter().map(Parameter::field);
    let names: Vec<_> = parameters.iter().map(|one| &one.name).collect();
    let inner = parameters.iter().map(|one| {
        let Parameter { mutable, name, kind, .. } = one;
        quote!(#mutable #name: #kind)
    });
    let answer = if fallible {
        quote!(#ident(#(arguments.#names),*).await.map_err(::core::convert::Into::into))
    } else {
        quote!(::core::result::Result::Ok(#ident(#(arguments.#names),*).await))
    };
    let (serde, schemars) = (options.inside("serde"), options.inside("schemars"));
    Ok(quote! {
        #(#documentation)*
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug)]
        #visibility struct #ident;

        const _: () = {
            #[derive(#eryx::__macros::serde::Deserialize, #eryx::__macros::schemars::JsonSchema)]
            #[serde(crate = #serde)]
            #[schemars(crate = #schemars)]
            pub struct Arguments {
                #(#fields,)*
            }

            impl #eryx::TypedCallback for #ident {
                type Arguments = Arguments;
                type Reply = #reply;

                fn name(&self) -> &str {
                    #name
                }

                fn description(&self) -> &str {
                    #description
                }

                async fn call(
                    &self,
                    arguments: Arguments,
                ) -> ::core::result::Result<#reply, #eryx::CallbackError> {
                    #(#other)*
                    async fn #ident(#(#inner),*) #output #body
                    #answer
                }
            }
        };
    })
}

/// What stands in the attribute's brackets.
struct Options {
    name: Option<String>,
    eryx: Path,
}

impl Options {
    fn parse(arguments: TokenStream) -> Result<Self> {
        let mut options = Self { name: None, eryx: syn::parse_quote!(::eryx) };
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("crate") {
                options.eryx = meta.value()?.parse::<LitStr>()?.parse()?;
            } else {
                return Err(meta.error("expected `name = \"…\"` or `crate = \"…\"`"));
            }
            Ok(())
        });
        parser.parse2(arguments)?;
        Ok(options)
    }

    /// The path of a crate that eryx passes on, as serde wants it.
    fn inside(&self, name: &str) -> String {
        let path = self.eryx.to_token_stream().to_string().replace(' ', "");
        format!("{path}::__macros::{name}")
    }
}

struct Parameter {
    mutable: Option<syn::Token![mut]>,
    name: Ident,
    kind: Type,
    attributes: Vec<Attribute>,
}

impl Parameter {
    /// The parameter as a field of the struct that the arguments are read into.
    fn field(&self) -> TokenStream {
        let Self { name, kind, attributes, .. } = self;
        let has_serde = attributes.iter().any(|one| one.path().is_ident("serde"));
        let optional = !has_serde && last_segment(kind).is_some_and(|one| one == "Option");
        let default = optional.then(|| quote!(#[serde(default)]));
        quote!(#(#attributes)* #default pub #name: #kind)
    }
}

fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(
            signature.fn_token,
            "a callback is an `async fn`: write `async` before `fn`",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a callback cannot be generic: Python calls it with values of known types",
        ));
    }
    if let ReturnType::Type(_, kind) = &signature.output {
        if is_impl(kind) {
            return Err(Error::new_spanned(kind, "a callback names the type that it returns"));
        }
        if let Some(reference) = reference(kind.to_token_stream(), true) {
            return Err(Error::new_spanned(
                reference,
                "a callback returns what it owns: a `String` or another type that is not borrowed",
            ));
        }
    }
    Ok(())
}

fn parameters(function: &ItemFn) -> Result<Vec<Parameter>> {
    let parameters = function.sig.inputs.iter().map(|input| {
        let FnArg::Typed(input) = input else {
            return Err(Error::new_spanned(
                input,
                "a callback has no `self`: implement `TypedCallback` for a type with state",
            ));
        };
        let Pat::Ident(pattern) = &*input.pat else {
            return Err(Error::new_spanned(&input.pat, "a callback's parameters are plain names"));
        };
        if is_impl(&input.ty) {
            return Err(Error::new_spanned(&input.ty, "a callback names its parameters' types"));
        }
        if let Some(reference) = reference(input.ty.to_token_stream(), false) {
            return Err(Error::new_spanned(
                reference,
                "a callback owns its arguments: take a `String` \
                or another type that is not borrowed",
            ));
        }
        Ok(Parameter {
            mutable: pattern.mutability,
            name: pattern.ident.clone(),
            kind: (*input.ty).clone(),
            attributes: input.attrs.clone(),
        })
    });
    parameters.collect()
}

fn is_impl(kind: &Type) -> bool {
    matches!(kind, Type::ImplTrait(_))
}

/// The `&` of a type that borrows, wherever it is in it; if it `may_last`, one with
/// a lifetime of its own is none.
fn reference(kind: TokenStream, may_last: bool) -> Option<TokenTree> {
    let mut tokens = kind.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Punct(sign) if sign.as_char() == '&' => {
                let is_lifetime = |next: &TokenTree| matches!(next, TokenTree::Punct(sign) if sign.as_char() == '\'');
                if !(may_last && tokens.peek().is_some_and(is_lifetime)) {
                    return Some(token);
                }
            }
            TokenTree::Group(group) => {
                if let Some(found) = reference(group.stream(), may_last) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// What is answered, and whether the function can fail.
fn reply(output: &ReturnType) -> (TokenStream, bool) {
    let ReturnType::Type(_, kind) = output else {
        return (quote!(()), false);
    };
    if last_segment(kind).is_some_and(|one| one == "Result")
        && let Type::Path(path) = &**kind
        && let Some(segment) = path.path.segments.last()
        && let PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(GenericArgument::Type(value)) = arguments.args.first()
    {
        return (value.to_token_stream(), true);
    }
    (kind.to_token_stream(), false)
}

fn last_segment(kind: &Type) -> Option<&Ident> {
    let Type::Path(path) = kind else { return None };
    path.path.segments.last().map(|segment| &segment.ident)
}

/// The text of doc comments, without the blank that begins each line.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let Meta::NameValue(meta) = &attribute.meta else { return None };
        let Expr::Lit(value) = &meta.value else { return None };
        let Lit::Str(text) = &value.lit else { return None };
        let text = text.value();
        let is_doc = meta.path.is_ident("doc");
        is_doc.then(|| text.strip_prefix(' ').unwrap_or(&text).to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn refused(arguments: &str, item: &str) -> String {
        let (arguments, item) = (arguments.parse().unwrap(), item.parse().unwrap());
        match expand(arguments, item) {
            Ok(code) => panic!("it was taken: {code}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_cannot_be_says_what_could() {
        for (item, says) in [
            ("struct A;", "belongs on an `async fn`"),
            ("fn f() {}", "write `async`"),
            ("async fn f<T>(a: T) {}", "cannot be generic"),
            ("async fn f(&self) {}", "implement `TypedCallback`"),
            ("async fn f((a, b): (u8, u8)) {}", "plain names"),
            ("async fn f(a: &str) {}", "take a `String`"),
            ("async fn f(a: Option<&str>) {}", "take a `String`"),
            ("async fn f(a: &'static str) {}", "take a `String`"),
            ("async fn f(a: (u8, Vec<&[u8]>)) {}", "take a `String`"),
            ("async fn f(a: impl Into<String>) {}", "names its parameters"),
            ("async fn f() -> impl Send {}", "names the type"),
            ("async fn f() -> Option<&str> {}", "returns what it owns"),
        ] {
            let error = refused("", item);
            assert!(error.contains(says), "{item}: {error}");
        }
        assert!(refused("names = \"a\"", "async fn f() {}").contains("expected `name = "));
        assert!(refused("name = a", "async fn f() {}").contains("string literal"));
    }

    #[test]
    fn what_lives_for_ever_can_be_returned() {
        let item = "async fn f() -> &'static str { \"a\" }".parse().unwrap();
        expand(TokenStream::new(), item).unwrap();
    }
}
