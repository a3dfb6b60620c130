//! From mark to mark through the object of a line: the grammar of RFC 8259, checked in full.
//!
//! Input: a line and its [`Index`]. Output: each member of the top-level object, in order, as
//! byte ranges; nested values are checked and given whole. A line is refused when it is no object,
//! when anything in it is not JSON, or when it nests deeper than [`DEPTH_MAX`]. There is no
//! recursion and no allocation.

use super::scan::Index;
use super::text;

/// An object or array deeper than this many levels is not read; the line is kept unparsed.
pub(crate) const DEPTH_MAX: u32 = 127;

/// A member's value: what it is, and the bytes from `start` to `end` that say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The inside of a string, without escapes.
    Plain,
    /// The inside of a string with valid escapes.
    Escaped,
    /// A number without fraction and exponent.
    Whole,
    /// Another number.
    Number,
    True,
    False,
    Null,
    /// An object or an array.
    Nested,
}

/// Calls `member` with the key ([`Kind::Plain`] or [`Kind::Escaped`]) and the value of each member.
#[inline(always)]
#[expect(clippy::inline_always, reason = "its closure must become part of it")]
pub(crate) fn object(
    line: &str,
    index: &Index,
    mut member: impl FnMut(Token, Token),
) -> Option<()> {
    let mut walk =
        Walk { line: line.as_bytes(), text: line, marks: index.positions(), index, at: 0 };
    let (open, mark) = walk.next()?;
    if mark != b'{' || !walk.blank(0, open) {
        return None;
    }
    let mut before = open + 1;
    if walk.peek()? == b'}' {
        let (close, _) = walk.next()?;
        return (walk.blank(before, close) && walk.ends(close + 1)).then_some(());
    }
    loop {
        let key = walk.string(before)?;
        let (colon, mark) = walk.next()?;
        if mark != b':' || !walk.blank(key.end + 1, colon) {
            return None;
        }
        // Most values are strings, which need no call.
        let (value, after) = if walk.peek()? == b'"' {
            let token = walk.string(colon + 1)?;
            (token, token.end + 1)
        } else {
            walk.value(colon + 1)?
        };
        let (separator, mark) = walk.next()?;
        if !walk.blank(after, separator) {
            return None;
        }
        member(key, value);
        match mark {
            b',' => before = separator + 1,
            b'}' => return walk.ends(separator + 1).then_some(()),
            _ => return None,
        }
    }
}

struct Walk<'a> {
    line: &'a [u8],
    text: &'a str,
    marks: &'a [u32],
    index: &'a Index,
    at: usize,
}

impl Walk<'_> {
    /// The next mark and where it is.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each mark of each line")]
    fn next(&mut self) -> Option<(usize, u8)> {
        let position = *self.marks.get(self.at)? as usize;
        self.at += 1;
        Some((position, *self.line.get(position)?))
    }

    /// The next mark, which stays the next one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each mark of each line")]
    fn peek(&self) -> Option<u8> {
        self.line.get(*self.marks.get(self.at)? as usize).copied()
    }

    /// Whether there is only white space between the two positions.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each mark of each line")]
    fn blank(&self, from: usize, to: usize) -> bool {
        from == to
            || self.line.get(from..to).is_some_and(|gap| {
                gap.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            })
    }

    /// Whether there is nothing but white space left.
    #[inline]
    fn ends(&self, from: usize) -> bool {
        self.at == self.marks.len() && self.blank(from, self.line.len())
    }

    /// A string that begins after white space.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each mark of each line")]
    fn string(&mut self, from: usize) -> Option<Token> {
        let (open, mark) = self.next()?;
        if mark != b'"' || !self.blank(from, open) {
            return None;
        }
        // Within a string nothing else is a mark, so the next one closes it.
        let (end, _) = self.next()?;
        let start = open + 1;
        let escaped =
            self.index.escapes && memchr::memchr(b'\\', self.line.get(start..end)?).is_some();
        if escaped && !text::escapes_are_valid(self.text.get(start..end)?) {
            return None;
        }
        let kind = if escaped { Kind::Escaped } else { Kind::Plain };
        Some(Token { kind, start, end })
    }

    /// A value, and where what follows it begins.
    #[inline]
    fn value(&mut self, from: usize) -> Option<(Token, usize)> {
        match self.peek()? {
            b'"' => {
                let token = self.string(from)?;
                Some((token, token.end + 1))
            }
            b'{' | b'[' => {
                let start = *self.marks.get(self.at)? as usize;
                if !self.blank(from, start) {
                    return None;
                }
                let end = self.nested()?;
                Some((Token { kind: Kind::Nested, start, end }, end))
            }
            _ => {
                let to = *self.marks.get(self.at)? as usize;
                let token = self.scalar(from, to)?;
                Some((token, to))
            }
        }
    }

    /// A number or a word between two marks.
    #[inline]
    fn scalar(&self, from: usize, to: usize) -> Option<Token> {
        let white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let (mut start, mut end) = (from, to);
        let mut word = self.line.get(start..end)?;
        while let [first, rest @ ..] = word
            && white(first)
        {
            (word, start) = (rest, start + 1);
        }
        while let [rest @ .., last] = word
            && white(last)
        {
            (word, end) = (rest, end - 1);
        }
        let kind = match word {
            b"true" => Kind::True,
            b"false" => Kind::False,
            b"null" => Kind::Null,
            _ if text::number(word)? => Kind::Whole,
            _ => Kind::Number,
        };
        Some(Token { kind, start, end })
    }

    /// Passes over an object or array whose opening mark is the next one; gives where it ends.
    fn nested(&mut self) -> Option<usize> {
        // One bit for each open level, 1 for an object.
        let (mut levels, mut depth) = (0_u128, 1_u32);
        let (open, mark) = self.next()?;
        levels |= u128::from(mark == b'{');
        let mut from = open + 1;
        // Whether the level was only just opened, so that it may be closed without a value.
        let mut fresh = true;
        loop {
            let object = levels & 1 == 1;
            let closing = if object { b'}' } else { b']' };
            let mut after = None;
            if fresh && self.peek()? == closing {
                let (close, _) = self.next()?;
                if !self.blank(from, close) {
                    // `[5]` has a value before its closing mark, `{5}` has not.
                    if object {
                        return None;
                    }
                    self.scalar(from, close)?;
                }
                (levels, depth, after) = (levels >> 1, depth - 1, Some(close + 1));
            } else {
                if object {
                    let key = self.string(from)?;
                    let (colon, mark) = self.next()?;
                    if mark != b':' || !self.blank(key.end + 1, colon) {
                        return None;
                    }
                    from = colon + 1;
                }
                match self.peek()? {
                    mark @ (b'{' | b'[') => {
                        let (open, _) = self.next()?;
                        if !self.blank(from, open) || depth == DEPTH_MAX {
                            return None;
                        }
                        levels = levels << 1 | u128::from(mark == b'{');
                        (depth, from, fresh) = (depth + 1, open + 1, true);
                    }
                    _ => after = Some(self.value(from)?.1),
                }
            }
            // A value ended: close the levels that end with it, or go on to the next value.
            if let Some(after) = after {
                let (next, ended) = self.close(levels, depth, after)?;
                let Some((open, remaining)) = next else { return Some(ended) };
                (levels, depth, from, fresh) = (open, remaining, ended, false);
            }
        }
    }

    /// After a value: passes over closing marks until a comma (gives the open levels and where the
    /// next value begins) or until no level is open (gives where the whole ended).
    fn close(
        &mut self,
        mut levels: u128,
        mut depth: u32,
        mut after: usize,
    ) -> Option<(Option<(u128, u32)>, usize)> {
        while depth > 0 {
            let (position, mark) = self.next()?;
            if !self.blank(after, position) {
                return None;
            }
            after = position + 1;
            match mark {
                b',' => return Some((Some((levels, depth)), after)),
                b'}' if levels & 1 == 1 => {}
                b']' if levels & 1 == 0 => {}
                _ => return None,
            }
            levels >>= 1;
            depth -= 1;
        }
        Some((None, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(line: &str) -> Option<usize> {
        let mut index = Index::default();
        index.scan(line.as_bytes())?;
        let mut members = 0;
        object(line, &index, |_, _| members += 1).map(|()| members)
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
