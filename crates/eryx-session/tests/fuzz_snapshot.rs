//! What the fuzz target `snapshot` checks, over its seeds and over random bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/bodies/snapshot.rs"]
mod snapshot;

use proptest::prelude::*;
use snapshot::snapshot;
use std::fs;
use std::path::Path;

#[test]
fn seeds_of_snapshots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/snapshot");
    let mut count = 0;
    for seed in fs::read_dir(folder).unwrap() {
        snapshot(&fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "there are no seeds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn snapshots_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        snapshot(&bytes);
    }
}
