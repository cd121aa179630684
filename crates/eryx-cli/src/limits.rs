use crate::values::{seconds, size};
use clap::{Args, ValueEnum};
use eryx::{OutputPolicy, ResourceLimits, StorageLimits, VolumeMount};
use std::time::Duration;

/// What the program may use of this machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits (a SIZE is in MiB, or has a unit: 64K, 10M, 1G)")]
pub(crate) struct LimitOptions {
    /// Wall time in seconds; 0 lifts the limit.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,

    /// Wall time after which `TimeoutError` is raised in the program, once, so that
    /// it can clean up.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    soft_timeout: Option<Duration>,

    /// Memory of the interpreter.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size)]
    memory: u64,

    /// What is printed of each output stream.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    output: u64,

    /// What happens to a program that prints more.
    #[arg(long, value_name = "WHAT", default_value = "truncate")]
    output_policy: Policy,

    /// What is kept of a traceback.
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = size)]
    traceback: u64,

    /// What is kept of the result that --json shows.
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = size)]
    result: u64,

    /// Work, in units of about a WebAssembly instruction. Counting makes Python half
    /// as fast, and the runtime is compiled for it once more.
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,

    /// Operations of the network under way at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 1024)]
    operations: usize,

    /// All files in memory together.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    files: u64,

    /// How many files, folders and links there are in memory.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    file_count: u64,

    /// How many folders lie inside each other in memory.
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    file_depth: u32,

    /// What is written to each volume.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size)]
    volume_writes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// It runs on, and the rest is dropped.
    Truncate,
    /// It is stopped.
    Stop,
}

impl LimitOptions {
    pub(crate) fn resources(&self) -> ResourceLimits {
        let mut limits = ResourceLimits::default()
            .with_memory_bytes(self.memory)
            .with_output_bytes(self.output)
            .with_output_policy(match self.output_policy {
                Policy::Truncate => OutputPolicy::Truncate,
                Policy::Stop => OutputPolicy::Stop,
            });
        limits.timeout = (!self.timeout.is_zero()).then_some(self.timeout);
        limits.soft_timeout = self.soft_timeout;
        limits.traceback_bytes = u32::try_from(self.traceback).unwrap_or(u32::MAX);
        limits.result_bytes = u32::try_from(self.result).unwrap_or(u32::MAX);
        limits.fuel = self.fuel;
        limits.operations = self.operations;
        limits
    }

    pub(crate) fn storage(&self) -> StorageLimits {
        let mut limits = StorageLimits::default().with_bytes(self.files);
        limits.nodes = self.file_count;
        limits.depth = self.file_depth;
        limits
    }

    pub(crate) fn volume(&self, volume: VolumeMount) -> VolumeMount {
        volume.with_write_quota(self.volume_writes)
    }
}
