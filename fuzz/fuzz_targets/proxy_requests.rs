#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eryx_net::fuzzing::proxy_requests(bytes));
