//! A call's arguments as a Rust type: what is JSON and what is bytes together.

use super::CallbackArguments;
use bytes::Bytes;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor,
};
use serde_json::{Error, Value};

/// Reads the arguments. Bytes are taken by fields of the type [`Bytes`], `Vec<u8>`,
/// and whatever else serde reads from bytes or from a sequence of them.
pub(super) fn read<A: DeserializeOwned>(arguments: CallbackArguments) -> Result<A, Error> {
    let CallbackArguments { json, bytes } = arguments;
    if bytes.is_empty() {
        return serde_json::from_value(json);
    }
    let Value::Object(json) = json else { return serde_json::from_value(json) };
    let json = json.into_iter().map(|(name, value)| (name, Argument::Json(value)));
    let bytes = bytes.into_iter().map(|(name, bytes)| (name, Argument::Bytes(bytes)));
    A::deserialize(MapDeserializer::new(json.chain(bytes)))
}

enum Argument {
    Json(Value),
    Bytes(Bytes),
}

impl IntoDeserializer<'_, Error> for Argument {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods that differ in what they expect of JSON, and read bytes by one function.
macro_rules! bytes_by {
    ($read:path => $($function:ident($($argument:ident: $kind:ty),*))*) => {
        $(fn $function<V: Visitor<'de>>(
            self,
            $($argument: $kind,)*
            visitor: V,
        ) -> Result<V::Value, Error> {
            match self {
                Self::Json(value) => value.$function($($argument,)* visitor),
                Self::Bytes(bytes) => $read(bytes, visitor),
            }
        })*
    };
}

/// Bytes are bytes, whatever else is expected.
fn as_they_are<'de, V: Visitor<'de>>(bytes: Bytes, visitor: V) -> Result<V::Value, Error> {
    visitor.visit_byte_buf(bytes.into())
}

/// Where bytes can be a sequence.
fn one_by_one<'de, V: Visitor<'de>>(bytes: Bytes, visitor: V) -> Result<V::Value, Error> {
    visitor.visit_seq(SeqDeserializer::new(bytes.into_iter()))
}

/// Where bytes that happen to be UTF-8 would be taken for text.
#[expect(clippy::needless_pass_by_value, reason = "it is called as the others are")]
fn not_at_all<'de, V: Visitor<'de>>(bytes: Bytes, visitor: V) -> Result<V::Value, Error> {
    Err(Error::invalid_type(Unexpected::Bytes(&bytes), &visitor))
}

impl<'de> Deserializer<'de> for Argument {
    type Error = Error;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Json(value) => value.deserialize_option(visitor),
            Self::Bytes(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Json(value) => value.deserialize_newtype_struct(name, visitor),
            Self::Bytes(_) => visitor.visit_newtype_struct(self),
        }
    }

    bytes_by! { not_at_all => deserialize_char() deserialize_str() deserialize_string() }

    bytes_by! { one_by_one =>
        deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
    }

    bytes_by! { as_they_are =>
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16()
        deserialize_i32() deserialize_i64() deserialize_i128() deserialize_u8()
        deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_bytes() deserialize_byte_buf() deserialize_unit()
        deserialize_unit_struct(name: &'static str) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Name(Bytes);

    #[derive(Deserialize, Debug, PartialEq)]
    enum Kind {
        One,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct All {
        data: Bytes,
        list: Vec<u8>,
        name: Name,
        pair: (u8, u8),
        maybe: Option<Bytes>,
        none: Option<Vec<u8>>,
        kind: Kind,
        number: f64,
        text: String,
    }

    fn arguments(json: Value, bytes: &[(&str, &'static [u8])]) -> CallbackArguments {
        let bytes =
            bytes.iter().map(|(name, bytes)| ((*name).to_owned(), Bytes::from_static(bytes)));
        CallbackArguments { json, bytes: bytes.collect() }
    }

    #[test]
    fn bytes_and_json_make_one_struct() {
        let json = json!({ "none": null, "kind": "One", "number": 1, "text": "a", "more": 1 });
        let bytes: &[(_, &[u8])] = &[
            ("data", b"\0\xff"),
            ("list", b"abc"),
            ("name", b"n"),
            ("pair", b"\x01\x02"),
            ("maybe", b""),
            ("unknown", b"u"),
        ];
        let read: All = read(arguments(json, bytes)).unwrap();
        let expected = All {
            data: Bytes::from_static(b"\0\xff"),
            list: b"abc".to_vec(),
            name: Name(Bytes::from_static(b"n")),
            pair: (1, 2),
            maybe: Some(Bytes::new()),
            none: None,
            kind: Kind::One,
            number: 1.0,
            text: "a".into(),
        };
        assert_eq!(read, expected);
    }

    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "what matters is whether it can be read")]
    struct Text {
        text: String,
    }

    #[test]
    fn bytes_are_nothing_else() {
        let error = read::<Text>(arguments(json!({}), &[("text", b"abc")])).unwrap_err();
        assert!(error.to_string().contains("expected a string"), "{error}");
        let twice = arguments(json!({ "text": "a" }), &[("text", b"abc")]);
        assert!(read::<Text>(twice).unwrap_err().to_string().contains("duplicate"));
    }
}
