//! What holds for any bytes: the body of the fuzz target `callback_json`, which is
//! a test too. It looks inside, so it is here.

use crate::callback::check;
use serde_json::Value;
use std::fmt::Write as _;

/// JSON is accepted by its depth and its integers, and arrives as it was.
pub fn callback_json(bytes: &[u8]) {
    as_text(bytes);
    as_model(bytes);
}

/// Any text: what passes is no deeper than it may be.
fn as_text(bytes: &[u8]) {
    for limit in [0, 1, 3, 64] {
        let checked = check(bytes, limit, usize::MAX);
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { continue };
        assert!(checked.is_err() || depth(&value) <= limit, "too deep for {limit}");
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Bytes taken for a value, of which all is known before it is written.
fn as_model(bytes: &[u8]) {
    let mut rest = bytes;
    let model = Model::decode(&mut rest, 12);
    let mut text = String::new();
    model.write(&mut text);
    let depth = model.depth();
    if let Some(less) = depth.checked_sub(1) {
        assert!(check(text.as_bytes(), less, usize::MAX).is_err(), "deeper than {less}: {text}");
    }
    let checked = check(text.as_bytes(), depth, usize::MAX);
    assert_eq!(checked.is_ok(), model.fits(), "{checked:?}: {text}");
    if checked.is_ok() {
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(model.is(&value), "{text} became {value}");
        let again = serde_json::to_vec(&value).unwrap();
        assert_eq!(check(&again, depth, usize::MAX), Ok(()), "{text} became {value}");
    }
}

#[derive(Debug)]
enum Model {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Model>),
    Object(Vec<Model>),
}

fn byte(rest: &mut &[u8]) -> u8 {
    let (first, others) = rest.split_first().unwrap_or((&0, &[]));
    *rest = others;
    *first
}

fn wide(rest: &mut &[u8]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|_| byte(rest)))
}

impl Model {
    fn decode(rest: &mut &[u8], deepest: usize) -> Self {
        let what = byte(rest) % 16;
        match what {
            0 => Self::Null,
            1 => Self::Bool(byte(rest) & 1 == 1),
            2 | 3 => Self::Integer(i128::from(wide(rest).cast_signed())),
            4 => {
                let edges = [i128::from(u64::MAX), i128::from(i64::MIN), i128::from(i64::MAX), 0];
                let edge = edges[usize::from(byte(rest)) % edges.len()];
                Self::Integer(edge + i128::from(byte(rest).cast_signed()))
            }
            5 => Self::Integer(i128::from(wide(rest)) * i128::from(wide(rest).cast_signed() >> 8)),
            6 | 7 => {
                let float = f64::from_bits(wide(rest));
                if float.is_finite() { Self::Float(float) } else { Self::Null }
            }
            8 | 9 => {
                let count = usize::from(byte(rest)).min(rest.len());
                let (text, others) = rest.split_at(count);
                *rest = others;
                Self::Text(String::from_utf8_lossy(text).into_owned())
            }
            10 => Self::Text("[{\"\\9e99999999999999999999\u{1f600}\u{0}".to_owned()),
            _ if deepest == 0 => Self::Null,
            _ => {
                let count = byte(rest) % 4;
                let all = (0..count).map(|_| Self::decode(rest, deepest - 1)).collect();
                if what < 14 { Self::List(all) } else { Self::Object(all) }
            }
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(&value.to_string()),
            Self::Integer(value) => text.push_str(&value.to_string()),
            Self::Float(value) => write!(text, "{value:e}").unwrap(),
            Self::Text(value) => text.push_str(&serde_json::to_string(value).unwrap()),
            Self::List(all) => {
                text.push('[');
                for (number, model) in all.iter().enumerate() {
                    text.push_str(if number == 0 { " " } else { " ,\n" });
                    model.write(text);
                }
                text.push(']');
            }
            Self::Object(all) => {
                text.push('{');
                for (number, model) in all.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(text, "{comma} \"]}}{number}\" :").unwrap();
                    model.write(text);
                }
                text.push('}');
            }
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(all) | Self::Object(all) => {
                1 + all.iter().map(Self::depth).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Whether every integer is one that the host can hold.
    fn fits(&self) -> bool {
        match self {
            Self::Integer(value) => i64::try_from(*value).is_ok() || u64::try_from(*value).is_ok(),
            Self::List(all) | Self::Object(all) => all.iter().all(Self::fits),
            _ => true,
        }
    }

    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(own), Value::Bool(other)) => own == other,
            (Self::Integer(own), Value::Number(other)) => other.as_i128() == Some(*own),
            (Self::Float(own), Value::Number(other)) => {
                other.is_f64() && other.as_f64().map(f64::to_bits) == Some(own.to_bits())
            }
            (Self::Text(own), Value::String(other)) => own == other,
            (Self::List(own), Value::Array(other)) => {
                own.len() == other.len() && own.iter().zip(other).all(|(one, two)| one.is(two))
            }
            (Self::Object(own), Value::Object(other)) => {
                let is = |(number, model): (usize, &Self)| {
                    other.get(&format!("]}}{number}")).is_some_and(|value| model.is(value))
                };
                own.len() == other.len() && own.iter().enumerate().all(is)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn seeds_of_callback_json() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/callback_json");
        let mut count = 0;
        for seed in fs::read_dir(folder).unwrap() {
            super::callback_json(&fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "there are no seeds");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn json_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::callback_json(&bytes);
        }

        #[test]
        fn json_of_what_json_is_made_of(text in "[\\[\\]{}\",:\\\\0-9eE.+ tfn-]{0,40}") {
            super::callback_json(text.as_bytes());
        }
    }
}
