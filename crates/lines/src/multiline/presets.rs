//! The shapes of stack traces, language by language.

use super::{Open, Verdict};

/// A language's traces.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name in a configuration.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// What a line is, after the open group.
    pub judge: fn(Open, &str) -> Verdict,
}

/// All presets.
pub const PRESETS: [Preset; 4] = [
    Preset { name: "java", about: "exceptions of the JVM with their causes", judge: java },
    Preset { name: "go", about: "panics and fatal errors with all goroutines", judge: go },
    Preset { name: "python", about: "tracebacks, also chained ones", judge: python },
    Preset { name: "dotnet", about: "exceptions of .NET with inner ones", judge: dotnet },
];

/// Within a trace: its head was seen.
const TRACE: u8 = 1;
/// Python: the exception's own line was seen, a chained traceback may follow.
const RAISED: u8 = 2;
/// An empty line after that; Java, .NET: after a line of a trace.
const PAUSED: u8 = 3;
/// Go: the runtime explains what it will die of.
const RUNTIME: u8 = 4;
/// Java, .NET: an empty line after the one that speaks of an error; its trace may follow.
const HEADED: u8 = 5;
/// Python: within the trace of a group of exceptions, of which all lines are indented.
const EXCEPTIONS: u8 = 6;
/// How that begins.
const EXCEPTIONS_HEAD: &str = "  + Exception Group Traceback (most recent call last):";
/// Java, .NET: behind an indented line that may be another text's.
const INDENTED: u8 = 7;

/// Whether a line after which a preset's state is this one can only be of a trace.
pub(super) fn is_trace(state: u8) -> bool {
    state == TRACE || state == EXCEPTIONS
}

/// The state behind an indented line: `at a.b.C.d(E.java:1)` is a frame.
fn behind(line: &str) -> u8 {
    let frame = line.trim_start().strip_prefix("at ");
    if frame.is_some_and(|frame| frame.contains('(')) { TRACE } else { INDENTED }
}

fn indented(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.starts_with(EXCEPTIONS_HEAD)
}

fn java(open: Open, line: &str) -> Verdict {
    if line.starts_with("Caused by: ") {
        return Verdict::Continues(TRACE);
    }
    if indented(line) && !line.trim().is_empty() {
        return Verdict::Continues(behind(line));
    }
    head(open, line, line.starts_with("Exception in thread \"") || names_exception(line))
}

fn dotnet(open: Open, line: &str) -> Verdict {
    if line.starts_with("--- End of ") || line.starts_with("---> ") {
        return Verdict::Continues(TRACE);
    }
    if indented(line) && !line.trim().is_empty() {
        return Verdict::Continues(behind(line));
    }
    head(open, line, line.starts_with("Unhandled exception") || names_exception(line))
}

/// The first line of a trace, an ordinary one, or an empty one, which loggers write around a trace.
fn head(open: Open, line: &str, is_head: bool) -> Verdict {
    let is_headed = open.error_line || open.state == HEADED;
    match is_head {
        // `Exception in thread` and `Unhandled exception` come from the runtime, not from a logger.
        true if is_headed && names_exception(line) => Verdict::Continues(TRACE),
        true => Verdict::Starts(TRACE),
        false if line.is_empty() && open.error_line => Verdict::Continues(HEADED),
        false if line.is_empty() && matches!(open.state, TRACE | INDENTED) => {
            Verdict::Continues(PAUSED)
        }
        false => Verdict::Starts(0),
    }
}

/// `java.lang.IllegalStateException: text`, `System.IO.IOException`, `com.acme.OrderError`.
fn names_exception(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    let known =
        ["Exception", "Error", "Throwable", "Failure"].iter().any(|end| name.ends_with(end));
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part.chars().all(|one| one.is_alphanumeric() || matches!(one, '_' | '$' | '`'))
    };
    known && name.contains('.') && name.split('.').all(part)
}

fn go(open: Open, line: &str) -> Verdict {
    let head = line.starts_with("panic: ")
        || line.starts_with("fatal error: ")
        || open.state == 0 && line.starts_with("goroutine ") && line.ends_with("]:");
    if head {
        // A second panic of the same trace is indented; `runtime: ` comes before a fatal error.
        let goes_on = open.error_line || open.state == RUNTIME;
        return if goes_on { Verdict::Continues(TRACE) } else { Verdict::Starts(TRACE) };
    }
    let runtime = line.starts_with("runtime: ");
    match open.state {
        0 if runtime => Verdict::Starts(RUNTIME),
        0 => Verdict::Starts(0),
        state if runtime => Verdict::Continues(state),
        state if line.is_empty() || line.starts_with('\t') => Verdict::Continues(state),
        _ if goes_on_in_go(line) => Verdict::Continues(TRACE),
        _ => Verdict::Starts(0),
    }
}

fn goes_on_in_go(line: &str) -> bool {
    const HEADS: [&str; 6] =
        ["goroutine ", "created by ", "[signal ", "exit status ", "...", "runtime stack:"];
    HEADS.iter().any(|head| line.starts_with(head)) || is_call(line) || is_register(line)
}

/// `net/http.(*conn).serve(0xc000, {0x1, 0x2})`, or `panic({0x1?, 0x2?})` where one was recovered.
fn is_call(line: &str) -> bool {
    let Some((name, _)) = line.split_once('(') else { return false };
    let is_name = name.contains('.') && !name.contains([' ', '\t', '=']);
    line.ends_with(')') && (is_name || name == "panic")
}

/// `rip    0x45d7a1`, as a fatal signal prints them.
fn is_register(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let short = words.next().is_some_and(|name| name.len() <= 6);
    short && words.next().is_some_and(|value| value.starts_with("0x")) && words.next().is_none()
}

fn python(open: Open, line: &str) -> Verdict {
    let is_group = line.starts_with(EXCEPTIONS_HEAD);
    if is_group || line.starts_with("Traceback (most recent call last):") {
        let state = if is_group { EXCEPTIONS } else { TRACE };
        // In a trace `During handling of…` came before.
        let goes_on = open.state == TRACE || open.error_line;
        return if goes_on { Verdict::Continues(state) } else { Verdict::Starts(state) };
    }
    let chained = line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause");
    match open.state {
        TRACE if line.is_empty() || indented(line) => Verdict::Continues(TRACE),
        // The exception itself ends the traceback.
        TRACE => Verdict::Continues(RAISED),
        RAISED | EXCEPTIONS if line.is_empty() => Verdict::Continues(PAUSED),
        RAISED | PAUSED if chained => Verdict::Continues(TRACE),
        _ if indented(line) && !line.trim().is_empty() => Verdict::Continues(open.state),
        _ => Verdict::Starts(0),
    }
}
