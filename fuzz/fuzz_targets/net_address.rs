#![no_main]

#[path = "../bodies/net.rs"]
mod net;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| net::address(bytes));
