#![no_main]

#[expect(dead_code, reason = "each target runs one of its functions")]
#[path = "../bodies/net.rs"]
mod net;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| net::address(bytes));
