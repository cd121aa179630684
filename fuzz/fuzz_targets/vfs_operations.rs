#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eryx_vfs::fuzzing::operations(bytes));
