use crate::ending::chain;
use crate::say::say;
use eryx::CompileEvent;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// What compiling the runtime takes on two cores.
const EXPECTED: Duration = Duration::from_secs(15);

/// Shows that the runtime is being compiled, which happens once on a machine.
///
/// Whether that can be shown has no part in how the run ends.
pub(crate) fn show_compiling() -> impl Fn(CompileEvent) + 'static {
    let shown = RefCell::new(None::<ProgressBar>);
    move |event| match event {
        CompileEvent::Started => {
            let message = format!(
                "compiling the Python runtime for this machine, once (about {} s)",
                EXPECTED.as_secs()
            );
            if stderr().is_terminal() {
                shown.replace(Some(spinner(format!("eryx: {message}"))));
            } else {
                let _ = say(message);
            }
        }
        CompileEvent::Finished(took) => {
            if let Some(bar) = shown.take() {
                bar.finish_and_clear();
            }
            let _ = say(format!("compiled in {:.1} s", took.as_secs_f64()));
        }
        CompileEvent::NotKept(error) => {
            let _ = say(format!(
                "the compiled runtime cannot be kept, so that each start compiles it again: {}. \
                 ERYX_CACHE_DIR can name a folder for it",
                chain(&error)
            ));
        }
        _ => {}
    }
}

fn spinner(message: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed} so far") {
        bar.set_style(style);
    }
    bar.set_message(message);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
