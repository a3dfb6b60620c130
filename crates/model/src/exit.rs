//! The exit codes of every subcommand.

/// Why the process ends. The number is the exit code; a subcommand documents what each of the
/// first three means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing was found or left to do.
    Clean = 0,
    /// Done, and there is something to look at: changes, drift, findings.
    Findings = 1,
    /// Could not be done, wholly or in part; the errors are on stderr.
    CouldNot = 2,
    /// The command line was wrong; nothing was tried (`EX_USAGE` of sysexits.h).
    Usage = 64,
    /// Stopped by SIGINT: what was done until then is on stderr (128 + 2).
    Interrupted = 130,
    /// Stopped by SIGTERM (128 + 15).
    Terminated = 143,
}

impl Exit {
    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_the_documented_ones() {
        let codes = [
            Exit::Clean,
            Exit::Findings,
            Exit::CouldNot,
            Exit::Usage,
            Exit::Interrupted,
            Exit::Terminated,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 64, 130, 143]);
    }
}
