//! OTLP logs and Loki pushes as bytes. Pure: no I/O, no clock.
//!
//! [`Request`] writes an `ExportLogsServiceRequest` record by record into one buffer and can give
//! any range of its records as a request of its own, which is what bisecting a refused batch
//! needs. [`LogsRequest`] reads one without copying. [`json`] gives the same as OTLP/JSON,
//! [`loki`] is the push of Loki, [`response`] what a receiver answers, [`grpc`] the frames around
//! it.
//!
//! Input: text that is valid UTF-8 (`&str`), numbers, ids of fixed length; times in nanoseconds
//! since the epoch. Limits are in each module as constants. Errors: [`DecodeError`].

mod encode;
mod error;
pub mod fuzzing;
pub mod grpc;
pub mod json;
pub mod loki;
mod origin;
mod proto;
pub mod response;
mod room;
mod value;
mod view;

pub use encode::{Fields, Pushed, RECORD_OVERHEAD_BYTES, RecordHead, Request, RequestLimits};
pub use error::DecodeError;
pub use origin::Origin;
pub use room::Room;
pub use value::{VALUE_DEPTH_MAX, Value};
pub use view::{
    AnyValue, Attributes, LogRecord, LogsRequest, Records, ResourceLogs, ResourceLogsIter,
    ScopeLogs, ScopeLogsIter, Values,
};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
