//! JSON has no infinity and no NaN: `serde_json` makes `null` of them.

use bytes::Bytes;
use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

/// Refuses values with numbers that JSON cannot hold. Answers with the bytes of one
/// that is nothing but bytes.
pub(super) fn check_finite(value: &impl Serialize) -> Result<Option<Bytes>, Error> {
    value.serialize(Finite)
}

/// A serializer that only looks.
#[derive(Clone, Copy)]
struct Finite;

macro_rules! is_fine {
    ($($function:ident($($kind:ty),*))*) => {
        $(fn $function(self, $(_: $kind),*) -> Result<Option<Bytes>, Error> {
            Ok(None)
        })*
    };
}

macro_rules! looks_within {
    ($($function:ident($($kind:ty),*))*) => {
        $(fn $function<T: Serialize + ?Sized>(
            self,
            $(_: $kind,)*
            value: &T,
        ) -> Result<Option<Bytes>, Error> {
            value.serialize(self)
        })*
    };
}

macro_rules! has_parts {
    ($($function:ident($($kind:ty),*))*) => {
        $(fn $function(self, $(_: $kind),*) -> Result<Self, Error> {
            Ok(self)
        })*
    };
}

impl Serializer for Finite {
    type Ok = Option<Bytes>;
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_f32(self, number: f32) -> Result<Option<Bytes>, Error> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<Option<Bytes>, Error> {
        if number.is_finite() {
            return Ok(None);
        }
        Err(Error::custom(format_args!("a reply has the number {number}, which JSON cannot hold")))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(Some(Bytes::copy_from_slice(bytes)))
    }

    is_fine! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32)
        serialize_i64(i64) serialize_i128(i128) serialize_u8(u8) serialize_u16(u16)
        serialize_u32(u32) serialize_u64(u64) serialize_u128(u128) serialize_char(char)
        serialize_str(&str) serialize_none() serialize_unit()
        serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    looks_within! {
        serialize_some() serialize_newtype_struct(&'static str)
        serialize_newtype_variant(&'static str, u32, &'static str)
    }

    has_parts! {
        serialize_seq(Option<usize>) serialize_tuple(usize)
        serialize_tuple_struct(&'static str, usize)
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
        serialize_map(Option<usize>) serialize_struct(&'static str, usize)
        serialize_struct_variant(&'static str, u32, &'static str, usize)
    }
}

macro_rules! looks_at_parts {
    ($($part:ident $function:ident($($name:ty)?))*) => {
        $(impl $part for Finite {
            type Ok = Option<Bytes>;
            type Error = Error;

            fn $function<T: Serialize + ?Sized>(
                &mut self,
                $(_: $name,)?
                value: &T,
            ) -> Result<(), Error> {
                value.serialize(*self).map(drop)
            }

            fn end(self) -> Result<Option<Bytes>, Error> {
                Ok(None)
            }
        })*
    };
}

looks_at_parts! {
    SerializeSeq serialize_element()
    SerializeTuple serialize_element()
    SerializeTupleStruct serialize_field()
    SerializeTupleVariant serialize_field()
    SerializeStruct serialize_field(&'static str)
    SerializeStructVariant serialize_field(&'static str)
}

impl SerializeMap for Finite {
    type Ok = Option<Bytes>;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(*self).map(drop)
    }

    fn end(self) -> Result<Option<Bytes>, Error> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use std::collections::BTreeMap;

    #[derive(serde::Serialize)]
    enum Reply {
        Unit,
        One(f32),
        Two(u8, Option<f64>),
        Named { list: Vec<f64>, map: BTreeMap<&'static str, (f64, ())> },
    }

    #[test]
    fn infinity_is_found_wherever_it_is() {
        let named =
            |number| Reply::Named { list: vec![1.0], map: BTreeMap::from([("a", (number, ()))]) };
        for fine in [Reply::Unit, Reply::One(1.5), Reply::Two(1, None), named(f64::MAX)] {
            assert!(check_finite(&fine).is_ok());
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(check_finite(&Reply::Two(1, Some(number))).is_err());
            assert!(check_finite(&named(number)).is_err());
            assert!(check_finite(&vec![0.0, number]).is_err());
        }
        assert!(check_finite(&Reply::One(f32::INFINITY)).is_err());
    }

    #[test]
    fn what_is_nothing_but_bytes_is_told() {
        let bytes = Bytes::from_static(b"a\xff");
        assert_eq!(check_finite(&bytes).unwrap(), Some(bytes.clone()));
        assert_eq!(check_finite(&Some(&bytes)).unwrap(), Some(bytes.clone()));
        assert_eq!(check_finite(&Some(Bytes::new())).unwrap(), Some(Bytes::new()));
        assert_eq!(check_finite(&None::<Bytes>).unwrap(), None);
        assert_eq!(check_finite(&vec![bytes]).unwrap(), None);
    }
}
