//! From token to token through the object of a line: the grammar of RFC 8259, checked in full.
//!
//! Input: a line. Output: each member of the top-level object, in order, as byte ranges; nested
//! values are checked and given whole. A line is refused when it is no object, when anything in
//! it is not JSON, or when it nests deeper than [`DEPTH_MAX`]; members before the mistake were
//! given then. There is no recursion, and nothing is allocated once the index has grown.

use super::scan::{Index, Marks};
use super::text;
use crate::digits;

/// An object or array deeper than this many levels is not read; the line is kept unparsed.
pub(crate) const DEPTH_MAX: u32 = 127;
/// So many digits are a number that every `i64` holds.
const INT_DIGITS: usize = 18;

/// The bytes from `start` to `end` of the line, and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Token {
    /// Its place in the line.
    #[inline]
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Its text.
    #[inline]
    pub(crate) fn text(self, line: &str) -> &str {
        line.get(self.range()).unwrap_or_default()
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The inside of a string, without escapes.
    Plain,
    /// The inside of a string with valid escapes.
    Escaped,
    /// A number without fraction and exponent, of at most 18 digits.
    Int,
    /// Another number without fraction and exponent.
    Whole,
    /// Another number.
    Number,
    True,
    False,
    Null,
    /// An object or an array.
    Nested,
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// Its name, [`Kind::Plain`] or [`Kind::Escaped`].
    pub(crate) key: Token,
    pub(crate) value: Token,
}

/// Bytes between two values that are compared with what is expected there.
pub(crate) const GAP: usize = 32;

/// Some bytes of the line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Part {
    /// Its place in the line.
    #[inline]
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

/// What lies between two values: the end of the first (its closing quote, when it is a string), a
/// comma, the name of the second, a colon, and the second's opening quote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<K> {
    /// The name without its quotes, counted from the step's beginning.
    pub(crate) key: Part,
    /// How many bytes it are up to the inside of a string, or to the beginning of another value.
    pub(crate) length: u32,
    /// Whether the second value is a string.
    pub(crate) is_text: bool,
    /// What is known of the name.
    pub(crate) known: K,
}

/// Who is given the members of an object, in their order. A closure takes them all alike.
///
/// Nearly all members are expected, have no escapes and a string or a number for a value. What
/// takes those should become part of the walk.
pub(crate) trait Members {
    /// What is known of a name that was expected.
    type Known: Copy;

    /// The step to the value at this place, when the rest of the line begins as it was learned.
    fn expected(
        &self,
        _place: usize,
        _rest: &[u8],
        _marks: impl Marks,
    ) -> Option<&Step<Self::Known>> {
        None
    }

    /// These bytes and this step lead to the value at this place, which is a string or a number;
    /// the name has no escapes.
    fn learn(&mut self, _place: usize, _gap: &[u8], _step: Step<()>) {}

    /// A member that was expected and has a string without escapes for a value: this text.
    fn text<A: Marks>(&mut self, _known: Self::Known, key: Part, value: Part, _text: &[u8]) {
        self.any(Member { key: plain(key), value: plain(value) });
    }

    /// A member that was expected and has a number for a value: that of a [`Kind::Int`], else 0.
    fn number(&mut self, _known: Self::Known, key: Part, value: Token, _number: i64) {
        self.any(Member { key: plain(key), value });
    }

    /// Any member.
    fn any(&mut self, member: Member);
}

impl<F: FnMut(Member)> Members for F {
    type Known = ();

    fn any(&mut self, member: Member) {
        self(member);
    }
}

/// Gives each member of the object that the line is.
#[inline]
pub(crate) fn object(line: &str, index: &mut Index, members: impl Members) -> Option<()> {
    let bytes = line.as_bytes();
    // What is no object is not looked at.
    expect(bytes, 0, b'{')?;
    index.scan(bytes);
    read(bytes, 0, index.marks(), members)
}

#[inline]
fn plain(part: Part) -> Token {
    let Part { start, len } = part;
    Token { kind: Kind::Plain, start, end: start.wrapping_add(len) }
}

/// Gives each member of the object that the bytes are from a place on; it is at most 4 GiB.
///
/// Between two members the walk stands at the end of a value: at the closing quote of a string,
/// else behind it. No value but a string is followed by a quote, so the byte there says which.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
pub(crate) fn read(
    bytes: &[u8],
    start: usize,
    marks: impl Marks,
    mut members: impl Members,
) -> Option<()> {
    if u32::try_from(bytes.len()).is_err() {
        return None;
    }
    let (mut at, mut place) = (start, 0);
    loop {
        at = match expected(bytes, marks, (place, at), &mut members) {
            Some(after) => after,
            None if place > 0 && is_last(bytes, at) => return Some(()),
            None => match unexpected(bytes, marks, (place, at), &mut members)? {
                Some(after) => after,
                None => return Some(()),
            },
        };
        place += 1;
    }
}

/// Gives the next member and tells where its value ends, when it is the expected one, without
/// escapes, and has a string or a number for a value.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each member of each line")]
fn expected<M: Members, A: Marks>(
    bytes: &[u8],
    marks: A,
    (place, at): (usize, usize),
    members: &mut M,
) -> Option<usize> {
    let step = members.expected(place, bytes.get(at..)?, marks)?;
    let (known, start) = (step.known, at + step.length as usize);
    // They are less than 4 GiB, `read` sees to that.
    let key = Part { start: (at as u32).wrapping_add(step.key.start), len: step.key.len };
    if step.is_text {
        let end = marks.next(start)?;
        let mark = byte(bytes, end)?;
        if !A::ARE_QUOTES && mark != b'"' {
            return None;
        }
        let text = bytes.get(start..end)?;
        let value = Part { start: start as u32, len: text.len() as u32 };
        members.text::<A>(known, key, value, text);
        return Some(end);
    }
    let Some((kind, number, end)) = short_number(bytes, start) else {
        return long_number(bytes, start, (known, key), members);
    };
    if byte(bytes, end)? == b'"' {
        return None;
    }
    members.number(known, key, token(kind, start, end), number);
    Some(end)
}

/// Whether the object ends with the value whose end is here, and nothing follows.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each line")]
fn is_last(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..), Some(b"\"}" | b"}"))
}

/// Gives a member whose value is another number, or may be one.
#[inline(never)]
fn long_number<M: Members>(
    bytes: &[u8],
    start: usize,
    (known, key): (M::Known, Part),
    members: &mut M,
) -> Option<usize> {
    let (value, number) = number(bytes, start)?;
    let end = value.end as usize;
    if byte(bytes, end)? == b'"' {
        return None;
    }
    members.number(known, key, value, number);
    Some(end)
}

/// Gives the next member, whatever it is, and tells where its value ends; nothing at the end of
/// the object.
#[inline(never)]
fn unexpected<M: Members>(
    bytes: &[u8],
    marks: impl Marks,
    (place, from): (usize, usize),
    members: &mut M,
) -> Option<Option<usize>> {
    let mut at = from + usize::from(place > 0 && byte(bytes, from)? == b'"');
    let end = |at: usize| ends(bytes, at + 1).map(|()| None);
    at = blank(bytes, at);
    match (place, byte(bytes, at)?) {
        (0, b'{') => {
            at = blank(bytes, at + 1);
            if byte(bytes, at)? == b'}' {
                return end(at);
            }
        }
        (1.., b',') => at = blank(bytes, at + 1),
        (1.., b'}') => return end(at),
        _ => return None,
    }
    let key = string(bytes, marks, at)?;
    at = expect(bytes, key.end as usize + 1, b':')?;
    let value = match byte(bytes, at)? {
        b'"' => string(bytes, marks, at)?,
        b'{' | b'[' => token(Kind::Nested, at, nested(bytes, marks, at)?),
        _ => scalar(bytes, at)?,
    };
    let is_text = matches!(value.kind, Kind::Plain | Kind::Escaped);
    let after = value.end as usize;
    if !is_text && bytes.get(after) == Some(&b'"') {
        return None;
    }
    if key.kind == Kind::Plain
        && (is_text || matches!(value.kind, Kind::Int | Kind::Whole | Kind::Number))
    {
        let gap = bytes.get(from..value.start as usize).unwrap_or_default();
        let from = from as u32;
        let name = Part { start: key.start - from, len: key.end - key.start };
        let step = Step { key: name, length: value.start - from, is_text, known: () };
        members.learn(place, gap, step);
    }
    members.any(Member { key, value });
    Some(Some(after))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each token of each line")]
fn token(kind: Kind, start: usize, end: usize) -> Token {
    // They are less than 4 GiB, `read` sees to that.
    Token { kind, start: start as u32, end: end as u32 }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each token of each line")]
fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// Where the first byte at or after `at` is that is no white space.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each token of each line")]
fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Passes over the mark with white space around it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each token of each line")]
fn expect(bytes: &[u8], at: usize, mark: u8) -> Option<usize> {
    let at = blank(bytes, at);
    (byte(bytes, at)? == mark).then(|| blank(bytes, at + 1))
}

/// Whether there is nothing but white space left.
#[inline]
fn ends(bytes: &[u8], at: usize) -> Option<()> {
    (blank(bytes, at) == bytes.len()).then_some(())
}

/// The string that begins here with its quote; what follows it is one byte beyond its end.
fn string(bytes: &[u8], marks: impl Marks, at: usize) -> Option<Token> {
    if byte(bytes, at)? != b'"' {
        return None;
    }
    let start = at + 1;
    let end = marks.next(start)?;
    match byte(bytes, end)? {
        b'"' => Some(token(Kind::Plain, start, end)),
        b'\\' => Some(token(Kind::Escaped, start, escaped(bytes, marks, end)?)),
        _ => None,
    }
}

/// Where the string ends of which an escape begins here.
#[cold]
fn escaped(bytes: &[u8], marks: impl Marks, mut at: usize) -> Option<usize> {
    loop {
        match byte(bytes, at)? {
            b'"' => return Some(at),
            b'\\' => at = marks.next(at + text::escape(bytes.get(at..)?)?.1)?,
            _ => return None,
        }
    }
}

/// A number or a word that begins here.
#[inline]
fn scalar(bytes: &[u8], start: usize) -> Option<Token> {
    let word = |word: &[u8], kind: Kind| {
        let found = bytes.get(start..).is_some_and(|rest| rest.starts_with(word));
        found.then_some(token(kind, start, start + word.len()))
    };
    match byte(bytes, start)? {
        b't' => word(b"true", Kind::True),
        b'f' => word(b"false", Kind::False),
        b'n' => word(b"null", Kind::Null),
        _ => Some(number(bytes, start)?.0),
    }
}

/// What the number is that begins here, its value when it is whole, and where it ends: when it
/// has no sign, no exponent, and less than eight digits before its point and behind it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each number of each line")]
fn short_number(bytes: &[u8], start: usize) -> Option<(Kind, i64, usize)> {
    let eight = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let behind = |digits: u64, count: u32| (digits >> (8 * count)) as u8;
    let whole = eight(start)?;
    let count = digits::count(whole);
    if count == 0 || count == 8 || (count > 1 && whole as u8 == b'0') {
        return None;
    }
    let end = start + count as usize;
    let point = behind(whole, count);
    if point == b'.' {
        let part = eight(end + 1)?;
        let count = digits::count(part);
        if count == 0 || count == 8 || matches!(behind(part, count), b'e' | b'E') {
            return None;
        }
        return Some((Kind::Number, 0, end + 1 + count as usize));
    }
    let is_int = !matches!(point, b'e' | b'E');
    is_int.then(|| (Kind::Int, digits::number(whole, count).into(), end))
}

/// A number that begins here.
#[inline(never)]
fn number(bytes: &[u8], start: usize) -> Option<(Token, i64)> {
    let negative = byte(bytes, start)? == b'-';
    let first = start + usize::from(negative);
    let (mut end, mut value) = (first, 0_i64);
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        end += 1;
    }
    let count = end - first;
    if count == 0 || (count > 1 && byte(bytes, first)? == b'0') {
        return None;
    }
    if let Some(b'.' | b'e' | b'E') = bytes.get(end) {
        return Some((token(Kind::Number, start, fraction(bytes, end)?), 0));
    }
    // A zero with a sign is none of the whole numbers.
    if count > INT_DIGITS || (negative && value == 0) {
        return Some((token(Kind::Whole, start, end), 0));
    }
    Some((token(Kind::Int, start, end), if negative { -value } else { value }))
}

/// Where a number ends whose whole digits end here.
#[inline]
fn fraction(bytes: &[u8], mut at: usize) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    if byte(bytes, at)? == b'.' {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(sign))?;
    }
    Some(at)
}

/// Passes over the object or array that begins here; gives where it ends.
fn nested(bytes: &[u8], marks: impl Marks, mut at: usize) -> Option<usize> {
    // One bit for each open level, 1 for an object.
    let (mut levels, mut depth) = (0_u128, 0_u32);
    loop {
        match byte(bytes, at)? {
            open @ (b'{' | b'[') => {
                if depth == DEPTH_MAX {
                    return None;
                }
                let is_object = open == b'{';
                at = blank(bytes, at + 1);
                if byte(bytes, at)? != closing(is_object) {
                    (levels, depth) = (levels << 1 | u128::from(is_object), depth + 1);
                    if is_object {
                        at = key(bytes, marks, at)?;
                    }
                    continue;
                }
                at += 1;
            }
            b'"' => at = string(bytes, marks, at)?.end as usize + 1,
            _ => at = scalar(bytes, at)?.end as usize,
        }
        // A value ended: close the levels that end with it, or go on to the next value.
        while depth > 0 {
            at = blank(bytes, at);
            let (mark, is_object) = (byte(bytes, at)?, levels & 1 == 1);
            if mark == b',' {
                at = blank(bytes, at + 1);
                if is_object {
                    at = key(bytes, marks, at)?;
                }
                break;
            }
            if mark != closing(is_object) {
                return None;
            }
            (levels, depth, at) = (levels >> 1, depth - 1, at + 1);
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn closing(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// Passes over the key of a member that begins here, and its colon.
fn key(bytes: &[u8], marks: impl Marks, at: usize) -> Option<usize> {
    expect(bytes, string(bytes, marks, at)?.end as usize + 1, b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(line: &str) -> Option<usize> {
        let mut members = 0;
        object(line, &mut Index::default(), |_: Member| members += 1).map(|()| members)
    }

    #[test]
    fn what_json_refuses_is_refused_and_nothing_else() {
        for line in [
            "{}",
            " { } ",
            r#"{"a":1}"#,
            r#"{"a" : [ ] , "b":{}}"#,
            r#"{"a":[1,2,[3,{"x":null}]],"b":"c"}"#,
            r#"{"a":[[],[],{}]}"#,
            r#"{"a":[ 5 ]}"#,
            r#"{"a":[5,6]}"#,
            r#"{"":""}"#,
            r#"{"a":{"b":{"c":[true,false]}}}"#,
            "",
            "{",
            "}",
            "[]",
            "1",
            "\"a\"",
            "{}{}",
            "{},",
            "{a:1}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1]"#,
            r#"{"a":[1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":{1}}"#,
            r#"{"a":{"b"}}"#,
            r#"{"a":{"b":}}"#,
            r#"{"a":tru}"#,
            r#"{"a":tr"u"e}"#,
            r#"{"a":"b"c}"#,
            r#"{"a":x"b"}"#,
            r#"{"a"x:1}"#,
            r#"{"a":{}x}"#,
            r#"{"a":x{}}"#,
            r#"{"a":[]]}"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":1}x"#,
            r#"x{"a":1}"#,
            r#"{"a":{"b":1,}}"#,
            r#"{"a":[x[]]}"#,
            r#"{"a":[[]x]}"#,
            r#"{"a":[:]}"#,
            r#"{"a"::1}"#,
            r#"{"a":\{}"#,
            r#"{"a":[{]}"#,
        ] {
            let oracle = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line);
            assert_eq!(reads(line), oracle.ok().map(|map| map.len()), "{line}");
        }
    }

    #[test]
    fn r17_a_depth_bomb_is_refused_and_the_last_level_is_read() {
        let nest =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(reads(&nest(DEPTH_MAX as usize)), Some(1));
        assert_eq!(reads(&nest(DEPTH_MAX as usize + 1)), None);
        assert_eq!(reads(&nest(1_000_000)), None);
        assert_eq!(reads(&"[".repeat(1_000_000)), None);
        assert_eq!(reads(&"{\"a\":".repeat(1_000_000)), None);
    }
}
