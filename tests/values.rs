//! Any value comes back from a callback as it went, through the guest.

use crate::support::stdout_of;
use eryx::{CallbackLimits, DynamicCallback, ResourceLimits, Sandbox};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

/// Types and bits are compared: `1`, `1.0` and `True` are equal in Python.
const COMPARE: &str = r"
import json, struct

def same(one, two):
    if type(one) is not type(two):
        return False
    if type(one) is float:
        return struct.pack('d', one) == struct.pack('d', two)
    if type(one) is list:
        return len(one) == len(two) and all(map(same, one, two))
    if type(one) is dict:
        return list(one) == list(two) and all(map(same, one.values(), two.values()))
    return one == two

for text in texts:
    value = json.loads(text)
    back = await echo(value=value)
    if not same(value, back):
        print(ascii(value), 'came back as', ascii(back))
print('all came back')
";

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        Just(Value::from(i64::MIN)),
        any::<f64>().prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        Just(json!(-0.0)),
        Just(json!(5e-324)),
        Just(json!(1e22)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from),
        "[\\x00-\\x1f\"\\\\\u{7f}\u{2028}\u{feff}\u{1f600}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        let keys = prop_oneof!["[a-c]{0,2}", any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..5)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_value_comes_back_as_it_went(values in prop::collection::vec(value(), 1..80)) {
        let echo = DynamicCallback::new("echo", |arguments| async move {
            Ok(arguments.json["value"].clone())
        })
        .parameter("value", json!({}), true);
        let sandbox = Sandbox::embedded().callback(echo).build().unwrap();
        // What JSON writes as a list of texts is one in Python too.
        let texts: Vec<_> = values.iter().map(Value::to_string).collect();
        let code = format!("texts = {}\n{COMPARE}", json!(texts));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(stdout_of(&sandbox, &code));
        prop_assert_eq!(seen, "all came back\n");
    }
}

#[tokio::test]
async fn the_depth_of_values_is_counted_alike_on_both_ways() {
    let nested = |depth: usize| {
        DynamicCallback::new(format!("nested{depth}"), move |_| async move {
            Ok((0..depth).fold(json!(1), |inner, _| json!([inner])))
        })
    };
    let take = DynamicCallback::new("take", |_| async { Ok(Value::Null) }).parameter(
        "value",
        json!({}),
        true,
    );
    let mut callbacks = CallbackLimits::default();
    callbacks.depth = 9;
    let limits = ResourceLimits::default().with_callbacks(callbacks);
    let sandbox = Sandbox::embedded()
        .limits(limits)
        .callback(take)
        .callback(nested(9))
        .callback(nested(10))
        .build()
        .unwrap();
    // The object of the arguments is a level of its own.
    let code = "from functools import reduce\n\
                async def fails(call):\n    \
                    try: await call\n    \
                    except CallbackError as error: return error.kind\n\
                deep = lambda n: reduce(lambda inner, _: [inner], range(n), 1)\n\
                print(await fails(take(value=deep(8))), await fails(take(value=deep(9))))\n\
                print(await fails(nested9()), await fails(nested10()))";
    let seen = stdout_of(&sandbox, code).await;
    assert_eq!(seen, "None invalid-arguments\nNone invalid-reply\n");
}
