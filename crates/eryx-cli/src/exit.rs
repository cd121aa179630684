use std::process::ExitCode;

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
    /// There is no runtime, or it is damaged.
    NoRuntime,
    /// The script was stopped at its time limit, as `timeout` reports it.
    Timeout,
    /// The script was stopped at another limit: memory, stack or output.
    Limit,
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
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
