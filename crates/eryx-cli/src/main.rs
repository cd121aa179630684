//! The `eryx` program.
#![expect(clippy::print_stderr, reason = "it is a command-line program")]

mod escape;
mod exit;
mod notice;
mod report;
mod run;
mod secret;
mod source;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

/// Runs Python in a sandbox: no files and no network but what it is given, limited time
/// and memory.
#[derive(Parser)]
#[command(name = "eryx", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let status = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            // If even this cannot be printed there is nobody to tell.
            let _ = error.print();
            return status.into();
        }
    };
    match arguments.command {
        Command::Run(run) => run.perform(),
    }
}
