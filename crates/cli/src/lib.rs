//! The workstation plane: every subcommand, its arguments and its output.
