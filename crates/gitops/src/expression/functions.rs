//! The functions, as a table. A new one is a line there and an arm in [`call`].

use super::eval::{Evaluation, Result, duration};
use super::value::Value;
use jiff::Timestamp;
use objects::quantity::Quantity;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// Bytes of a text that a function may make.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// One function, under one number of arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// With the receiver of a method.
    pub(super) arguments: usize,
    /// Whether it is called as `a.f(b)`.
    pub(super) method: bool,
    /// Whether it is called as `f(a, b)`.
    pub(super) global: bool,
}

const fn method(name: &'static str, arguments: usize) -> Function {
    Function { name, arguments, method: true, global: false }
}

const fn global(name: &'static str) -> Function {
    Function { name, arguments: 1, method: false, global: true }
}

/// All of them.
pub(super) static FUNCTIONS: [Function; 41] = [
    Function { name: "size", arguments: 1, method: true, global: true },
    global("bool"),
    global("double"),
    global("duration"),
    global("dyn"),
    global("int"),
    global("isQuantity"),
    global("quantity"),
    global("string"),
    global("timestamp"),
    global("uint"),
    method("asInteger", 1),
    method("compareTo", 2),
    method("contains", 2),
    method("endsWith", 2),
    method("getFullYear", 1),
    method("getHours", 1),
    method("getMilliseconds", 1),
    method("getMinutes", 1),
    method("getSeconds", 1),
    method("indexOf", 2),
    method("isGreaterThan", 2),
    method("isInteger", 1),
    method("isLessThan", 2),
    method("isSorted", 1),
    method("join", 1),
    method("join", 2),
    method("lastIndexOf", 2),
    method("lowerAscii", 1),
    method("max", 1),
    method("min", 1),
    method("replace", 3),
    method("reverse", 1),
    method("sign", 1),
    method("split", 2),
    method("startsWith", 2),
    method("substring", 2),
    method("substring", 3),
    method("sum", 1),
    method("trim", 1),
    method("upperAscii", 1),
];

/// Calls a function; its arguments are paid for.
pub(super) fn call<'a>(
    run: &mut Evaluation<'a>,
    at: usize,
    function: &Function,
    arguments: &[Value<'a>],
) -> Result<Value<'a>> {
    let result = match arguments {
        [Value::Text(text)] if function.global => convert_text(function.name, text),
        [value] if function.global => convert(function.name, value),
        [Value::Text(text), rest @ ..] => on_text(run, at, function.name, text, rest)?,
        [Value::Quantity(own), rest @ ..] => on_quantity(function.name, own, rest),
        [Value::Duration(nanos)] => on_duration(function.name, *nanos),
        [Value::Timestamp(time)] => on_timestamp(function.name, *time),
        [Value::List(_), rest @ ..] => return on_list(run, at, function.name, arguments, rest),
        [Value::Map(map)] if function.name == "size" => count(map.len()),
        _ => None,
    };
    match result {
        Some(value) => Ok(value),
        None => {
            let kinds: Vec<&str> = arguments.iter().map(Value::kind).collect();
            let problem = format!("`{}` cannot be done with {}", function.name, kinds.join(", "));
            run.error(at, problem)
        }
    }
}

fn count<'a>(count: usize) -> Option<Value<'a>> {
    i64::try_from(count).ok().map(Value::Int)
}

fn convert_text<'a>(name: &str, text: &Cow<'a, str>) -> Option<Value<'a>> {
    match name {
        "size" => count(text.chars().count()),
        "string" | "dyn" => Some(Value::Text(text.clone())),
        "int" => text.parse().ok().map(Value::Int),
        "uint" => text.parse().ok().map(Value::Uint),
        "double" => text.parse().ok().map(Value::Double),
        "bool" => match text.as_ref() {
            "true" | "True" | "TRUE" | "t" | "1" => Some(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        "duration" => duration(duration_nanos(text)?),
        "timestamp" => text.parse().ok().map(Value::Timestamp),
        "quantity" => Quantity::parse(text).ok().map(|q| Value::Quantity(Arc::new(q))),
        "isQuantity" => Some(Value::Bool(Quantity::parse(text).is_ok())),
        _ => None,
    }
}

fn convert<'a>(name: &str, value: &Value<'a>) -> Option<Value<'a>> {
    match (name, value) {
        ("dyn", value) => Some(value.clone()),
        ("size", Value::List(list)) => count(list.len()),
        ("size", Value::Map(map)) => count(map.len()),
        ("isQuantity", _) => Some(Value::Bool(false)),
        ("string", Value::Bool(value)) => Some(Value::text(value.to_string())),
        ("string", Value::Int(number)) => Some(Value::text(number.to_string())),
        ("string", Value::Uint(number)) => Some(Value::text(number.to_string())),
        ("string", Value::Double(number)) => Some(Value::text(number.to_string())),
        ("string", Value::Duration(nanos)) => Some(Value::text(duration_text(*nanos))),
        ("string", Value::Timestamp(time)) => Some(Value::text(time.to_string())),
        ("bool", Value::Bool(_))
        | ("duration", Value::Duration(_))
        | ("timestamp", Value::Timestamp(_)) => Some(value.clone()),
        ("int", Value::Timestamp(time)) => Some(Value::Int(time.as_second())),
        ("int", Value::Double(number)) => truncated(*number).map(Value::Int),
        ("int", _) => i64::try_from(value.integer()?).ok().map(Value::Int),
        ("uint", Value::Double(number)) => {
            truncated(*number).and_then(|n| u64::try_from(n).ok()).map(Value::Uint)
        }
        ("uint", _) => u64::try_from(value.integer()?).ok().map(Value::Uint),
        ("double", Value::Double(_)) => Some(value.clone()),
        ("double", _) => value.integer()?.to_string().parse().ok().map(Value::Double),
        _ => None,
    }
}

/// A double without its fraction; none when it does not fit.
fn truncated(number: f64) -> Option<i64> {
    /// 2^63.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds of the type")]
    let whole = (number.abs() < LIMIT).then_some(number.trunc() as i64);
    whole
}

/// Nanoseconds of `1h30m`, with an optional sign.
fn duration_nanos(text: &str) -> Option<i128> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let period: crate::spec::Period = rest.parse().ok()?;
    let nanos = i128::try_from(period.0.as_nanos()).ok()?;
    Some(if negative { -nanos } else { nanos })
}

/// A duration in seconds, as CEL prints one.
pub(super) fn duration_text(nanos: i128) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.abs());
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}

fn on_text<'a>(
    run: &mut Evaluation<'a>,
    at: usize,
    name: &str,
    text: &Cow<'a, str>,
    rest: &[Value<'a>],
) -> Result<Option<Value<'a>>> {
    let found = |byte: Option<usize>| match byte {
        Some(byte) => count(text.get(..byte)?.chars().count()),
        None => Some(Value::Int(-1)),
    };
    Ok(match (name, rest) {
        ("size", []) => count(text.chars().count()),
        ("contains", [Value::Text(part)]) => Some(Value::Bool(text.contains(part.as_ref()))),
        ("startsWith", [Value::Text(part)]) => Some(Value::Bool(text.starts_with(part.as_ref()))),
        ("endsWith", [Value::Text(part)]) => Some(Value::Bool(text.ends_with(part.as_ref()))),
        ("indexOf", [Value::Text(part)]) => found(text.find(part.as_ref())),
        ("lastIndexOf", [Value::Text(part)]) => found(text.rfind(part.as_ref())),
        ("lowerAscii", []) => Some(Value::text(text.to_ascii_lowercase())),
        ("upperAscii", []) => Some(Value::text(text.to_ascii_uppercase())),
        ("trim", []) => Some(Value::text(text.trim())),
        ("reverse", []) => Some(Value::text(text.chars().rev().collect::<String>())),
        ("split", [Value::Text(by)]) => {
            let parts: Vec<Value<'a>> = if by.is_empty() {
                text.chars().map(Value::text).collect()
            } else {
                text.split(by.as_ref()).map(Value::text).collect()
            };
            run.pay(u64::try_from(parts.len()).unwrap_or(u64::MAX))?;
            Some(Value::list(parts))
        }
        ("replace", [Value::Text(from), Value::Text(to)]) => {
            let times = text.matches(from.as_ref()).count();
            let bytes = text.len().saturating_add(times.saturating_mul(to.len()));
            if bytes > TEXT_BYTES_MAX {
                return run.error(at, "the text becomes too long");
            }
            run.pay(u64::try_from(bytes / 16).unwrap_or(u64::MAX))?;
            Some(Value::text(text.replace(from.as_ref(), to)))
        }
        ("substring", [Value::Int(from)]) => substring(text, *from, None),
        ("substring", [Value::Int(from), Value::Int(to)]) => substring(text, *from, Some(*to)),
        _ => None,
    })
}

/// The characters from one index to another; none when the indices are out of order or beyond.
fn substring<'a>(text: &str, from: i64, to: Option<i64>) -> Option<Value<'a>> {
    let len = text.chars().count();
    let from = usize::try_from(from).ok()?;
    let to = to.map_or(Some(len), |to| usize::try_from(to).ok())?;
    if from > to || to > len {
        return None;
    }
    Some(Value::text(text.chars().skip(from).take(to - from).collect::<String>()))
}

fn on_quantity<'a>(name: &str, own: &Quantity, rest: &[Value<'a>]) -> Option<Value<'a>> {
    let integer = || own.canonical().parse::<i64>().ok().or_else(|| whole_quantity(own));
    match (name, rest) {
        ("isGreaterThan", [Value::Quantity(other)]) => Some(Value::Bool(*own > **other)),
        ("isLessThan", [Value::Quantity(other)]) => Some(Value::Bool(*own < **other)),
        ("compareTo", [Value::Quantity(other)]) => Some(Value::Int(match own.cmp(other) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })),
        ("sign", []) => {
            let zero = Quantity::parse("0").ok()?;
            Some(Value::Int(match own.cmp(&zero) {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            }))
        }
        ("isInteger", []) => Some(Value::Bool(integer().is_some())),
        ("asInteger", []) => integer().map(Value::Int),
        _ => None,
    }
}

/// The whole number that a quantity is, found by halving: the type gives order and no number.
fn whole_quantity(quantity: &Quantity) -> Option<i64> {
    let (mut low, mut high) = (i64::MIN, i64::MAX);
    while low <= high {
        let middle = low.midpoint(high);
        match Quantity::parse(&middle.to_string()).ok()?.cmp(quantity) {
            Ordering::Equal => return Some(middle),
            Ordering::Less => low = middle.checked_add(1)?,
            Ordering::Greater => high = middle.checked_sub(1)?,
        }
    }
    None
}

fn on_duration<'a>(name: &str, nanos: i128) -> Option<Value<'a>> {
    let unit = match name {
        "getHours" => 3_600_000_000_000,
        "getMinutes" => 60_000_000_000,
        "getSeconds" => 1_000_000_000,
        "getMilliseconds" => 1_000_000,
        _ => return None,
    };
    i64::try_from(nanos / unit).ok().map(Value::Int)
}

fn on_timestamp<'a>(name: &str, time: Timestamp) -> Option<Value<'a>> {
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
    let number = match name {
        "getFullYear" => i64::from(zoned.year()),
        "getHours" => i64::from(zoned.hour()),
        "getMinutes" => i64::from(zoned.minute()),
        "getSeconds" => i64::from(zoned.second()),
        "getMilliseconds" => i64::from(zoned.millisecond()),
        _ => return None,
    };
    Some(Value::Int(number))
}

fn on_list<'a>(
    run: &mut Evaluation<'a>,
    at: usize,
    name: &str,
    arguments: &[Value<'a>],
    rest: &[Value<'a>],
) -> Result<Value<'a>> {
    let wrong = |run: &Evaluation<'a>| {
        let kinds: Vec<&str> = arguments.iter().map(Value::kind).collect();
        run.error(at, format!("`{name}` cannot be done with {}", kinds.join(", ")))
    };
    let Some(Value::List(list)) = arguments.first() else { return wrong(run) };
    let items = || (0..list.len()).filter_map(|index| list.get(index));
    let made =
        match (name, rest) {
            ("size", []) => count(list.len()),
            ("isSorted", []) => {
                let items: Vec<Value<'a>> = items().collect();
                Some(Value::Bool(items.is_sorted_by(|l, r| {
                    l.order(r).is_some_and(|order| order != Ordering::Greater)
                })))
            }
            ("min" | "max", []) => {
                let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
                items().reduce(|best, item| match item.order(&best) {
                    Some(order) if order == wanted => item,
                    _ => best,
                })
            }
            ("sum", []) => {
                let mut sum: i64 = 0;
                for item in items() {
                    let number = item.integer().and_then(|number| i64::try_from(number).ok());
                    match number.and_then(|number| sum.checked_add(number)) {
                        Some(next) => sum = next,
                        None => return wrong(run),
                    }
                }
                Some(Value::Int(sum))
            }
            ("reverse", []) => {
                let mut items: Vec<Value<'a>> = items().collect();
                items.reverse();
                Some(Value::list(items))
            }
            ("indexOf" | "lastIndexOf", [wanted]) => {
                let mut found = None;
                for (index, item) in items().enumerate() {
                    if (name == "lastIndexOf" || found.is_none()) && run.equal(&item, wanted)? {
                        found = Some(index);
                    }
                }
                found.map_or(Some(Value::Int(-1)), count)
            }
            ("join", []) => join(run, items(), "")?,
            ("join", [Value::Text(with)]) => join(run, items(), with)?,
            _ => None,
        };
    made.map_or_else(|| wrong(run), Ok)
}

fn join<'a>(
    run: &mut Evaluation<'a>,
    items: impl Iterator<Item = Value<'a>>,
    with: &str,
) -> Result<Option<Value<'a>>> {
    let mut text = String::new();
    for (index, item) in items.enumerate() {
        let Value::Text(part) = item else { return Ok(None) };
        run.pay(1 + u64::try_from((part.len() + with.len()) / 16).unwrap_or(u64::MAX))?;
        if index > 0 {
            text.push_str(with);
        }
        text.push_str(&part);
    }
    Ok(Some(Value::text(text)))
}
