//! What holds for any bytes: the bodies of the fuzz targets `vfs_*`, which are
//! tests too. They look inside, so they are here.

mod agreement;
mod input;
mod model;
mod outside;

use input::Input;

/// Operations do the same in memory as in a directory of the host, and as a model.
pub fn operations(bytes: &[u8]) {
    agreement::compare(&agreement::decode(&mut Input(bytes)));
    model::compare(&model::decode(&mut Input(bytes)));
}

/// Links and paths never lead out of what is mounted.
pub fn paths(bytes: &[u8]) {
    outside::check(&mut Input(bytes));
}

#[cfg(test)]
mod tests {
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
    fn seeds_of_operations() {
        seeds("vfs_operations", super::operations);
    }

    #[test]
    fn seeds_of_paths() {
        seeds("vfs_paths", super::paths);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_path_leads_outside(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            super::paths(&bytes);
        }

        #[test]
        fn memory_and_host_agree_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::operations(&bytes);
        }
    }
}
