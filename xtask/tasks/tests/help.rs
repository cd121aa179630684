//! What `cargo xtask --help` says. That this is a test of Cargo's own kind has a use
//! besides: see `compile` in `xtask/src/main.rs`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn exit_statuses_are_documented() {
    let output = Command::new(env!("CARGO_BIN_EXE_tasks")).arg("--help").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for status in ["69", "73", "76", "127"] {
        assert!(text.contains(status), "{text}");
    }
}
