//! The nouns that all planes share.
//!
//! Everything here is small, pure and free of I/O: what a [`Finding`] is, how an error explains
//! itself ([`Explain`], [`Hint`], [`Retry`], [`report`]), how sizes and durations are written
//! ([`ByteSize`], [`Span`]), how a reader is told about a typing error ([`nearest`]), where the
//! time comes from ([`Clock`]), which versions are wanted ([`VersionRange`]), which exit codes
//! exist ([`Exit`]), which commands a plane has ([`Verb`]) and what a binary was built from
//! ([`Build`]).
//!
//! A type belongs here only when two planes need the same word. It is not a place for helpers.

mod build;
mod clock;
mod error;
mod exit;
mod finding;
mod nearest;
mod range;
mod units;
mod verb;

pub use build::Build;
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Explain, Hint, Report, Retry, chain, report};
pub use exit::Exit;
pub use finding::{Evidence, Finding, Severity, Subject};
pub use nearest::nearest;
pub use range::{RANGE_TEXT_BYTES_MAX, RangeError, VersionRange};
pub use units::{ByteSize, Span, UnitError};
pub use verb::{ExitDoc, OptionDoc, Verb};
