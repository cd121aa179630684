//! What the embedder asks for, checked and put in the guest's terms.

use crate::Error;
use crate::bindings::eryx::runtime::callbacks::Description;
use crate::bindings::eryx::runtime::tracing::Events;
use crate::bindings::exports::eryx::runtime::execution::Program;
use crate::callback::HostCallbackInfo;
use crate::run::RunOptions;
use crate::trace::TraceOptions;
use crate::view::RuntimeCtx;

/// Bytes of the largest program. Compiling takes some fifty times its size in
/// memory.
pub const MAX_SOURCE_SIZE: usize = 16 << 20;

pub(crate) fn program(
    code: &str,
    options: &RunOptions,
    extensions: &[String],
    lasting: bool,
    entropy: Vec<u8>,
    runtime: &RuntimeCtx,
) -> Result<Program, Error> {
    check(code, options)?;
    let mut argv = vec![options.argv0.as_ref().unwrap_or(&options.filename).clone()];
    argv.extend(options.args.iter().cloned());
    let callbacks = &options.limits.callbacks;
    Ok(Program {
        source: source(code).to_owned(),
        filename: options.filename.clone(),
        argv,
        result_variable: options.result_variable.clone(),
        entropy,
        started: runtime.clock().since_1970(),
        environment: options.environment.clone(),
        callbacks: options.callbacks.infos().iter().map(description).collect(),
        calls_in_flight: u32::try_from(callbacks.most_in_flight()).unwrap_or(u32::MAX),
        argument_limit: u32::try_from(callbacks.argument_bytes).unwrap_or(u32::MAX),
        extensions: extensions.to_vec(),
        trace: options.trace.as_ref().map_or(Events::empty(), events),
        lasting,
        stoppable: options.limits.soft_timeout.is_some(),
        result_limit: options.limits.result_bytes,
        traceback_limit: options.limits.traceback_bytes,
    })
}

/// Refuses what no program can be.
pub(crate) fn check(code: &str, options: &RunOptions) -> Result<(), Error> {
    let name = options.argv0.as_ref().unwrap_or(&options.filename);
    if options.args.iter().chain([name]).any(|text| text.contains('\0')) {
        return Err(Error::Config(
            "the file name or an argument holds a NUL character: no program could be given it"
                .into(),
        ));
    }
    check_source(source(code))?;
    check_environment(&options.environment)
}

/// As Python does when it reads a file.
fn source(code: &str) -> &str {
    code.strip_prefix('\u{feff}').unwrap_or(code)
}

fn check_source(source: &str) -> Result<(), Error> {
    if let Some(position) = source.find('\0') {
        return Err(Error::Config(format!(
            "the source code holds a NUL character, at byte {position}: Python code cannot"
        )));
    }
    if source.len() > MAX_SOURCE_SIZE {
        return Err(Error::Config(format!(
            "the source code has {} bytes; more than {MAX_SOURCE_SIZE} are refused",
            source.len()
        )));
    }
    Ok(())
}

fn check_environment(variables: &[(String, String)]) -> Result<(), Error> {
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Error::Config(format!(
                "the environment variable {name:?} cannot be: names are not empty and hold no `=`, \
                 and neither names nor values hold a NUL character"
            )));
        }
    }
    Ok(())
}

fn description(info: &HostCallbackInfo) -> Description {
    Description {
        name: info.name.clone(),
        description: info.description.clone(),
        parameters: info.parameters_schema_json.clone(),
    }
}

/// What makes the random numbers of an interpreter differ from all others', or
/// what its seed makes them for this purpose.
pub(crate) fn entropy_for(purpose: &str, runtime: &RuntimeCtx) -> Result<Vec<u8>, Error> {
    if let Some(chance) = runtime.chance() {
        return Ok(chance.bytes(purpose).to_vec());
    }
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Instantiation(std::io::Error::other(error).into()))?;
    Ok(bytes)
}

fn events(trace: &TraceOptions) -> Events {
    let wanted = [
        (trace.lines, Events::LINES),
        (trace.calls, Events::CALLS),
        (trace.exceptions, Events::EXCEPTIONS),
    ];
    let wanted = wanted.into_iter().filter_map(|(wanted, event)| wanted.then_some(event));
    wanted.fold(Events::empty(), |events, event| events | event)
}
