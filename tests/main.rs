//! What eryx promises, tested over its public face.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asyncio;
mod bad_servers;
mod callbacks;
mod clients;
mod crowd;
mod ends;
mod examples;
mod exits;
mod file_threats;
mod files;
mod guest;
mod images;
mod long_life;
mod network;
mod network_requests;
mod network_threats;
mod output;
mod packages;
mod peers;
mod pool;
mod programs;
mod recycling;
mod runtime_files;
mod secrets;
mod servers;
mod sessions;
mod spellings;
mod states;
mod support;
mod threats;
mod tracing;
mod values;
