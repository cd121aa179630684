use std::io;
use std::process::ExitCode;

/// What `--help` says of the statuses below.
pub(crate) const STATUSES: &str = "\
Exit status:
  That of the program, or
    1  it raised an exception
    2  the command line is wrong
   65  the source is no text, or too large
   66  the source cannot be read
   70  the interpreter broke, or eryx did
   74  the output cannot be written
   78  there is no usable runtime, or no usable cache folder
  124  the program was stopped at its time limit
  125  it was stopped at another limit
  130  it was interrupted by Ctrl-C
  141  whoever read the output went away, as `head` does";

/// Exit statuses of the program itself. A script's own status is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    /// The script raised.
    Raised,
    /// The command line was wrong.
    Usage,
    /// The source is no text that Python could run.
    BadSource,
    /// The source could not be read.
    NoSource,
    /// The interpreter broke, or this program did.
    Internal,
    /// The output could not be written.
    NoOutput,
    /// There is no runtime, or it is damaged, or its cache cannot be used.
    NoRuntime,
    /// The script was stopped at its time limit, as `timeout` reports it.
    Timeout,
    /// The script was stopped at another limit: memory, stack, output or fuel.
    Limit,
    /// Ctrl-C, as shells report the signal.
    Interrupted,
    /// Nobody reads the output any more, as shells report that signal.
    ReaderGone,
}

impl Exit {
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Raised => 1,
            Self::Usage => 2,
            // The numbers of sysexits.h, which shells and mailers know.
            Self::BadSource => 65,
            Self::NoSource => 66,
            Self::Internal => 70,
            Self::NoOutput => 74,
            Self::NoRuntime => 78,
            Self::Timeout => 124,
            Self::Limit => 125,
            // 128 and the number of SIGINT or SIGPIPE.
            Self::Interrupted => 130,
            Self::ReaderGone => 141,
        }
    }

    /// `outcome` of a run that did not come to be, in the report.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::BadSource | Self::NoSource => "source",
            Self::NoRuntime => "runtime",
            _ => "internal",
        }
    }

    /// When this could not be written.
    pub(crate) fn unwritten(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::NoOutput,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
