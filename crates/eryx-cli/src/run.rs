use crate::ending::{chain, exit_of, refuse, tell};
use crate::exit::STATUSES;
use crate::job::Job;
use crate::limits::LimitOptions;
use crate::network::NetworkOptions;
use crate::notice::show_compiling;
use crate::say::Refusal;
use crate::source::Source;
use crate::trace::TraceFile;
use clap::Args;
use eryx::{Sandbox, SandboxBuilder, VolumeMount};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a Python program in the sandbox.
///
/// It sees no file of this machine but those of -v. To let it import the modules in
/// its folder: `-v ./proj:/proj:ro`, and in the program `sys.path.insert(0, "/proj")`.
///
/// What it prints is shown as it is printed. Ctrl-C ends it; what it has printed
/// until then stays.
#[derive(Debug, Args)]
#[command(
    after_help = STATUSES,
    override_usage = "eryx run [OPTIONS] FILE [ARGS]\n       eryx run [OPTIONS] -c CODE [ARGS]"
)]
pub(crate) struct Run {
    /// Python code to run; all arguments after it are the program's.
    #[arg(
        short = 'c',
        value_names = ["CODE", "ARGS"],
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with = "program"
    )]
    code: Vec<OsString>,

    /// Print one JSON object with output, result and statistics, at the end.
    #[arg(long)]
    json: bool,

    /// Write what the program did to FILE: functions, exceptions and their times, as a
    /// trace that Chrome, Perfetto and Speedscope show. Makes it slower; what comes
    /// after 100,000 events is left out.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Show a directory or file of this machine to the program; `:ro` at the end
    /// for reading only. Can be given several times.
    #[arg(short = 'v', long = "volume", value_name = "HOST:GUEST[:ro]", value_parser = volume)]
    volumes: Vec<VolumeMount>,

    /// Set a variable in the program's environment, which has none of this machine's;
    /// without a value, to what it is here. Can be given several times.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    environment: Vec<(String, String)>,

    #[command(flatten)]
    limits: LimitOptions,

    #[command(flatten)]
    network: NetworkOptions,

    /// The Python file, `-` for standard input; then the program's arguments.
    #[arg(value_name = "FILE [ARGS]", trailing_var_arg = true)]
    program: Vec<OsString>,
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

fn variable(text: &str) -> Result<(String, String), String> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(env::VarError::NotPresent) => Err("it is not set here: give a value after =".into()),
        Err(env::VarError::NotUnicode(_)) => Err("its value is not UTF-8".into()),
    }
}

impl Run {
    pub(crate) fn perform(self) -> ExitCode {
        let json = self.json;
        match self.prepare() {
            Ok(job) => tell(&job.run(), json),
            Err(refusal) => refuse(&refusal, json),
        }
    }

    pub(crate) fn names_no_program(&self) -> bool {
        self.code.is_empty() && self.program.is_empty()
    }

    fn prepare(self) -> Result<Job, Refusal> {
        let (source, arguments) = program(self.code, self.program)?;
        let network = self.network.config()?;
        let code = source.read()?;
        let limits = self.limits.resources();
        let sandbox = self
            .volumes
            .into_iter()
            .map(|volume| self.limits.volume(volume))
            .fold(Sandbox::embedded(), SandboxBuilder::volume)
            .scratch_limits(self.limits.storage())
            .network(network)
            .limits(limits.clone())
            .filename(source.filename())
            .args(arguments)
            // More places would only take address space.
            .instances(1)
            .on_compile(show_compiling());
        let sandbox = self
            .environment
            .into_iter()
            .fold(sandbox, |sandbox, (name, value)| sandbox.env(name, value))
            .build()
            .map_err(|error| Refusal::new(exit_of(&error), chain(&error)))?;
        let trace = self.trace.map(TraceFile::create).transpose()?;
        Ok(Job { sandbox, source, code, limits, streamed: !self.json, trace })
    }
}

/// The program and its arguments.
fn program(code: Vec<OsString>, program: Vec<OsString>) -> Result<(Source, Vec<String>), Refusal> {
    let mut code = code.into_iter();
    let mut program = program.into_iter();
    let (source, arguments) = match (code.next(), program.next()) {
        (Some(text), _) => (Source::Code(text), code),
        (None, Some(name)) if name == "-" => (Source::Stdin, program),
        (None, Some(name)) => (Source::File(name), program),
        (None, None) => {
            let wanted = "name a file to run, `-` for standard input, or -c CODE";
            return Err(Refusal::usage(wanted));
        }
    };
    let arguments = arguments.enumerate().map(|(number, argument)| {
        argument.into_string().map_err(|_| {
            Refusal::usage(format!("argument {} of the program is not UTF-8", number + 1))
        })
    });
    Ok((source, arguments.collect::<Result<_, _>>()?))
}
