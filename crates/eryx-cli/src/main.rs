//! The `eryx` program.

mod ending;
mod escape;
mod exit;
mod interrupt;
mod job;
mod limits;
mod network;
mod notice;
mod printer;
mod report;
mod run;
mod say;
mod secret;
mod source;
mod trace;
mod values;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::ffi::OsString;
use std::io::{self, Write};
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
    Run(Box<run::Run>),
}

fn main() -> ExitCode {
    match parse(std::env::args_os().collect()) {
        Ok(Arguments { command: Command::Run(run) }) => run.perform(),
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let printed = error.print().and_then(|()| io::stdout().flush());
            printed.map_or_else(|error| Exit::unwritten(&error), |()| exit).into()
        }
    }
}

/// All after `-c CODE` is the program's. In `-cCODE` to clap it is not: that is
/// parsed as if it were two arguments.
fn parse(mut arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let joined = arguments.iter().enumerate().find_map(|(place, argument)| {
        let code = argument.to_str()?.strip_prefix("-c")?;
        (!code.is_empty()).then(|| (place, OsString::from(code)))
    });
    if let Some((place, code)) = joined
        && let Some(before) = arguments.get(..place)
        // It may also be an argument of the program.
        && let Ok(Arguments { command: Command::Run(run) }) = Arguments::try_parse_from(before)
        && run.names_no_program()
    {
        arguments.splice(place..=place, ["-c".into(), code]);
    }
    Arguments::try_parse_from(arguments)
}
