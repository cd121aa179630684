#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eryx::fuzzing::wheel(bytes));
