//! The commands and options of a plane that reads its command line without clap, as a table: its
//! parser, its help, the completions and the pages of exit codes are made from it.

use crate::Exit;

/// One option, for the parser, for "did you mean" and for the help.
pub struct OptionDoc {
    /// Without the dashes.
    pub name: &'static str,
    /// What its value is called (`FILE` and `DIR` are paths); empty when it has none.
    pub value: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// One command.
pub struct Verb {
    /// Its word.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What may follow its word (a path when it is `FILE`); empty when nothing may.
    pub operand: &'static str,
    /// Its options.
    pub options: &'static [OptionDoc],
}

/// What an exit code means.
pub type ExitDoc = (Exit, &'static str);
