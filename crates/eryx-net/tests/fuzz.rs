//! What the fuzz targets check, over their seeds and over random bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/bodies/net.rs"]
mod net;

use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn seeds(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(folder).unwrap() {
        body(&fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target} has no seeds");
}

#[test]
fn seeds_of_rules() {
    seeds("net_rule", net::rule);
}

#[test]
fn seeds_of_addresses() {
    seeds("net_address", net::address);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn rules(
        text in prop_oneof![
            "\\PC{0,40}",
            "[a-z0-9*.:/\\[\\],-]{0,40}",
            "(0?x?[0-9a-f]{1,4}\\.?){1,5}(:[0-9*,-]{1,6})?",
        ],
    ) {
        net::rule(text.as_bytes());
    }

    #[test]
    fn addresses(four: [u8; 4], sixteen: [u8; 16], front in any::<prop::sample::Index>()) {
        net::address(&four);
        net::address(&sixteen);
        // Beginnings that mean something.
        let known = [[0_u8, 0, 0, 0], [0, 0x64, 0xff, 0x9b], [0x20, 2, 127, 0], [0x20, 1, 0, 0], [0xfe, 0x80, 0, 0]];
        let mut near = sixteen;
        let begin: &[u8; 4] = front.get(&known);
        near[..4].copy_from_slice(begin);
        net::address(&near);
        let mut near = four;
        near[0] = front.get(&known)[1];
        net::address(&near);
    }
}
