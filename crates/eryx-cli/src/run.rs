use crate::escape::for_terminal;
use crate::exit::Exit;
use crate::notice::show_compiling;
use crate::report::Report;
use crate::secret::{Place, SecretOption};
use crate::source::Source;
use clap::Args;
use eryx::{
    Error, ExecutionOutput, NetConfig, NetRule, ResourceLimits, Sandbox, SandboxBuilder,
    VolumeMount,
};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Run a Python program in the sandbox.
///
/// The exit status is the program's own. If it raised an exception it is 1;
/// 124 after the time limit, 125 after another limit, 65 for a source that is
/// no text, 66 for one that cannot be read, 78 without a usable runtime.
#[derive(Args)]
#[command(disable_help_flag = false)]
pub(crate) struct Run {
    /// Python code to run; all arguments after it are the program's.
    #[arg(short = 'c', value_name = "CODE", allow_hyphen_values = true)]
    code: Option<String>,

    /// Print one JSON object with output, result and statistics.
    #[arg(long)]
    json: bool,

    /// Wall-time limit in seconds; 0 lifts it.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    timeout: f64,

    /// Memory limit in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    memory: u64,

    /// Limit of each output stream in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    output: u64,

    /// Show a directory or file of this machine to the program; `:ro` at the end
    /// for reading only. Can be given several times.
    #[arg(short = 'v', long = "volume", value_name = "HOST:GUEST[:ro]", value_parser = volume)]
    volumes: Vec<VolumeMount>,

    /// Let the program connect to a host: a name, `*.` and a name, an address or
    /// a network, and ports after a colon (443 without). Can be given several times.
    #[arg(long = "allow-host", value_name = "HOST[:PORTS]")]
    allow_hosts: Vec<NetRule>,

    /// Let the program use a secret that it never sees: `os.environ` has a
    /// placeholder, and servers of these names get the value over TLS. It is read
    /// from the environment variable NAME, or VARIABLE, or a file. The hosts have
    /// to be allowed, too. Can be given several times.
    #[arg(long = "secret", value_name = "NAME[=VARIABLE|=file:PATH]@HOST[,HOST]")]
    secrets: Vec<SecretOption>,

    /// Where in requests secrets are put besides headers.
    #[arg(long = "secrets-in", value_name = "PLACE", value_delimiter = ',', requires = "secrets")]
    secrets_in: Vec<Place>,

    /// The Python file, `-` for standard input; then the program's arguments.
    #[arg(value_name = "FILE [ARGS]", trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<String>,
}

fn volume(text: &str) -> Result<VolumeMount, String> {
    let (paths, read_only) = match text.strip_suffix(":ro") {
        Some(paths) => (paths, true),
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    // A host path may hold colons, as in `C:\files`; a guest path starts with /.
    match paths.rsplit_once(":/") {
        Some((host, guest)) if !host.is_empty() => {
            let guest = format!("/{guest}");
            Ok(if read_only {
                VolumeMount::read_only(host, guest)
            } else {
                VolumeMount::new(host, guest)
            })
        }
        _ => Err("two paths are wanted, as in ./files:/files or ./files:/files:ro".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err("a number of seconds from 0 up is wanted".into()),
    }
}

impl Run {
    pub(crate) fn perform(mut self) -> ExitCode {
        let json = self.json;
        let volumes = std::mem::take(&mut self.volumes);
        let hosts = std::mem::take(&mut self.allow_hosts);
        let network = hosts.into_iter().fold(NetConfig::new(), NetConfig::allow_rule);
        let secrets = std::mem::take(&mut self.secrets).into_iter();
        let secrets: Result<Vec<_>, _> =
            secrets.map(|secret| secret.read(&self.secrets_in)).collect();
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(message) => return complain(Exit::Usage, &for_terminal(&message)),
        };
        let limits = self.limits();
        let Some((source, args)) = self.source() else {
            return complain(Exit::Usage, "name a file to run, `-` for standard input, or -c CODE");
        };
        let code = match source.read() {
            Ok(code) => code,
            Err(unreadable) => return complain(unreadable.exit, &unreadable.message),
        };
        let sandbox = volumes
            .into_iter()
            .fold(Sandbox::embedded(), SandboxBuilder::volume)
            .network(secrets.into_iter().fold(network, NetConfig::secret))
            .limits(limits)
            .filename(source.argv0())
            .args(args)
            .on_compile(show_compiling())
            .build();
        let ended = match sandbox {
            Ok(sandbox) => execute(&sandbox, code),
            Err(error) => Err(error),
        };
        match &ended {
            Ok(output) => finish(output, None, json),
            Err(error) => match error.output() {
                Some(output) => finish(output, Some(error), json),
                None => complain(exit_of(error), &chain(error)),
            },
        }
    }

    fn limits(&self) -> ResourceLimits {
        let limits = ResourceLimits::default()
            .with_memory_bytes(self.memory.saturating_mul(1 << 20))
            .with_output_bytes(self.output.saturating_mul(1 << 20));
        if self.timeout == 0.0 {
            return limits.without_timeout();
        }
        let timeout = Duration::try_from_secs_f64(self.timeout).unwrap_or(Duration::MAX);
        limits.with_timeout(timeout)
    }

    fn source(self) -> Option<(Source, Vec<String>)> {
        if let Some(code) = self.code {
            return Some((Source::Code(code), self.program));
        }
        let mut program = self.program.into_iter();
        let source = match program.next()? {
            name if name == "-" => Source::Stdin,
            name => Source::File(name),
        };
        Some((source, program.collect()))
    }
}

fn execute(sandbox: &Sandbox, code: String) -> Result<ExecutionOutput, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(sandbox.execute(code)),
        Err(error) => Err(Error::Instantiation(error.into())),
    }
}

/// Prints what the run left and turns its end into an exit status.
fn finish(output: &ExecutionOutput, error: Option<&Error>, json: bool) -> ExitCode {
    let status = match error {
        Some(error) => exit_of(error).status(),
        // A process keeps eight bits of its status.
        None => output.exit_status.to_le_bytes()[0],
    };
    let printed =
        if json { print_json(output, error, status) } else { print_streams(output, error) };
    match printed {
        Ok(()) => ExitCode::from(status),
        // Whoever read our output has enough, as with `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => complain(Exit::NoOutput, &format!("cannot write the output: {error}")),
    }
}

fn print_json(output: &ExecutionOutput, error: Option<&Error>, status: u8) -> io::Result<()> {
    let outcome = match error {
        None if output.exit_status == 0 => "ok",
        None => "exit",
        Some(error) => kind(error),
    };
    let exit_status = if error.is_some() { status.into() } else { output.exit_status };
    let report = Report::new(outcome, exit_status, output, error);
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &report)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

fn print_streams(output: &ExecutionOutput, error: Option<&Error>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    write_stream(&mut stdout, output.stdout.as_bytes(), io::stdout().is_terminal())?;
    stdout.flush()?;
    let mut stderr = io::stderr().lock();
    let terminal = io::stderr().is_terminal();
    write_stream(&mut stderr, output.stderr.as_bytes(), terminal)?;
    for (name, cut) in [("output", output.truncated.stdout), ("errors", output.truncated.stderr)] {
        if cut {
            writeln!(stderr, "eryx: the program's {name} were cut at the limit: see --output")?;
        }
    }
    match error {
        Some(Error::Execution(exception)) => {
            write_stream(&mut stderr, exception.traceback.as_bytes(), terminal)
        }
        Some(error) => writeln!(stderr, "eryx: {}", chain(error)),
        None => Ok(()),
    }
}

/// Bytes as they are, but to a terminal nothing that could control it.
fn write_stream(to: &mut impl Write, bytes: &[u8], terminal: bool) -> io::Result<()> {
    if terminal {
        return to.write_all(for_terminal(&String::from_utf8_lossy(bytes)).as_bytes());
    }
    to.write_all(bytes)
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Execution(_) => Exit::Raised,
        Error::Timeout(_) => Exit::Timeout,
        Error::Memory(_) | Error::Stack(_) | Error::Output(_) => Exit::Limit,
        Error::Config(_) => Exit::Usage,
        Error::RuntimeMissing | Error::Initialization { .. } | Error::File { .. } => {
            Exit::NoRuntime
        }
        _ => Exit::Internal,
    }
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Execution(_) => "exception",
        Error::Timeout(_) => "timeout",
        Error::Memory(_) => "memory",
        Error::Stack(_) => "stack",
        Error::Output(_) => "output",
        _ => "trap",
    }
}

/// An error with all its causes.
fn chain(error: &Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        parts.push(error.to_string());
        cause = error.source();
    }
    for_terminal(&parts.join(": "))
}

fn complain(exit: Exit, message: &str) -> ExitCode {
    eprintln!("eryx: {message}");
    exit.into()
}
