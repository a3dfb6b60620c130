//! The built-in rules: a cheap test and an exact search each, both in one pass over the text.

use std::net::Ipv6Addr;

use memchr::{memchr, memchr_iter, memchr3, memmem, memrchr};

use super::survey::{CARD_BYTES_MIN, Survey};

/// Gives the start and the end of each finding in a text that was surveyed.
type Find = fn(&Survey, &[u8], &mut dyn FnMut(usize, usize));

/// A rule that comes with us.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name in a configuration and in replacements.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// `false` only when there is nothing to be found.
    pub(super) suspects: fn(&Survey, &[u8]) -> bool,
    pub(super) find: Find,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All built-in rules.
pub const RULES: [Rule; 6] = [
    Rule {
        name: "email",
        about: "mail addresses",
        suspects: |survey, _| survey.at_sign,
        find: |_, text, each| emails(text, each),
    },
    Rule {
        name: "credit-card",
        about: "card numbers of known issuers with a right check digit, also with spaces or dashes",
        suspects: |survey, _| survey.cards.0 < survey.cards.1,
        find: |survey, text, each| cards(survey.cards, text, each),
    },
    Rule {
        name: "ipv4",
        about: "IPv4 addresses",
        suspects: |survey, _| survey.v4,
        find: |_, text, each| v4(text, each),
    },
    Rule {
        name: "ipv6",
        about: "IPv6 addresses",
        suspects: |_, text| suspects_v6(text),
        find: |_, text, each| v6(text, each),
    },
    Rule {
        name: "bearer",
        about: "the token after `Bearer`",
        suspects: |_, text| {
            memmem::find(text, b"earer").is_some() || memmem::find(text, b"EARER").is_some()
        },
        find: |_, text, each| bearers(text, each),
    },
    Rule {
        name: "jwt",
        about: "JSON web tokens",
        suspects: |_, text| memmem::find(text, b"eyJ").is_some(),
        find: |_, text, each| tokens(text, each),
    },
];

/// Card numbers have this many digits.
const CARD_DIGITS_MIN: usize = CARD_BYTES_MIN;
const CARD_DIGITS_MAX: usize = 19;
/// A bearer token has at least this many bytes.
const TOKEN_BYTES_MIN: usize = 8;
/// So many digits may be the end of an escape.
pub(super) const ESCAPE_DIGITS_MAX: usize = 3;
/// How the control character that a terminal's command begins with is written.
const ESCAPES: [&[u8]; 8] =
    [b"\x1b", b"\\x1b", b"\\u001b", b"\\e", b"\\033", b"#033", b"^[", b"%1b"];
/// The longest text of an IPv6 address, bytes.
const V6_BYTES_MAX: usize = 45;

fn card_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b' ' || byte == b'-'
}

fn v6_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b':' || byte == b'.'
}

fn digits(run: &[u8]) -> usize {
    run.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// The runs of at least `least` bytes of the class: start and end of each. Looks at every `least`th
/// byte only: a run that long cannot lie between two of them.
#[inline]
fn runs(
    text: &[u8],
    least: usize,
    class: impl Fn(u8) -> bool,
) -> impl Iterator<Item = (usize, usize)> {
    let mut at = least - 1;
    std::iter::from_fn(move || {
        while let Some(byte) = text.get(at) {
            let mut run = (at, at);
            if class(*byte) {
                let (before, after) = around(text, at, &class);
                run = (at - before, at + after);
            }
            at = run.1 + least;
            if run.1 - run.0 >= least {
                return Some(run);
            }
        }
        None
    })
}

/// The runs that a card number fits in, all between two places.
#[inline]
fn card_runs(between: (usize, usize), text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let long = |(start, end): &(usize, usize)| digits(part(text, *start, *end)) >= CARD_DIGITS_MIN;
    let runs = runs(part(text, between.0, between.1), CARD_DIGITS_MIN, card_byte);
    runs.map(move |(start, end)| (between.0 + start, between.0 + end)).filter(long)
}

fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

/// How many bytes of the class are at the end and at the start of the two parts around `at`.
fn around(text: &[u8], at: usize, class: impl Fn(u8) -> bool) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    (before.iter().rev().take_while(|byte| class(**byte)).count(), leading(text, at, class))
}

/// How many bytes of the class there are from `at` on.
fn leading(text: &[u8], at: usize, class: impl Fn(u8) -> bool) -> usize {
    let after = text.get(at..).unwrap_or_default();
    after.iter().take_while(|byte| class(**byte)).count()
}

/// Where in what is between these places a number or an address may begin: at its start, unless
/// that is the middle of a word, and behind the digits there that end an escape.
fn beginnings(text: &[u8], start: usize, end: usize) -> impl DoubleEndedIterator<Item = usize> {
    let is_in_word = start.checked_sub(1).and_then(|at| text.get(at));
    let is_in_word = is_in_word.is_some_and(u8::is_ascii_alphanumeric);
    let places = start..end.min(start + ESCAPE_DIGITS_MAX + 1);
    places.filter(move |at| *at == start && !is_in_word || is_behind_escape(text, *at))
}

/// Whether an escape ends here: a byte as `%HH` or `\xHH`, a control character as rsyslog writes it
/// (`#011`), a terminal's command (`ESC [ 3 6 m`), whatever stands for its first byte. What it ends
/// with is no part of a word.
pub(super) fn is_behind_escape(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    match before {
        [.., b'%', high, low] | [.., b'\\', b'x', high, low]
            if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
        {
            true
        }
        [.., b'#', b'0', b'0'..=b'3', b'0'..=b'7'] => true,
        [before @ .., last] if last.is_ascii_alphabetic() => {
            let before = before.trim_suffix_of(b"0123456789:;?").strip_suffix(b"[");
            before.is_some_and(|before| ESCAPES.iter().any(|escape| ends_with(before, escape)))
        }
        _ => false,
    }
}

/// Whether a text ends so, in this case of letters or another one.
fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().checked_sub(end.len());
    start.and_then(|start| text.get(start..)).is_some_and(|last| last.eq_ignore_ascii_case(end))
}

fn emails(text: &[u8], each: &mut dyn FnMut(usize, usize)) {
    let local = |byte: u8| {
        byte.is_ascii_alphanumeric() || byte >= 0x80 || b"._%+-!#$&'*/=?^`{|}~".contains(&byte)
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b".-".contains(&byte);
    for at in memchr_iter(b'@', text) {
        let (mut before, _) = around(text, at, local);
        let after = leading(text, at + 1, name);
        // Brackets and quotes around an address are legal in it, but nobody writes that.
        let head = text.get(at - before..at).unwrap_or_default();
        before -= head
            .iter()
            .take_while(|byte| !(byte.is_ascii_alphanumeric() || **byte >= 0x80 || **byte == b'_'))
            .count();
        let names = part(text, at + 1, at + 1 + after);
        if before > 0
            && names.first() != Some(&b'.')
            && let Some(length) = domain(names)
        {
            each(at - before, at + 1 + length);
        }
    }
}

/// How many of these bytes are the longest domain that they begin with. Behind it there may be
/// anything, as in languages without spaces.
fn domain(names: &[u8]) -> Option<usize> {
    let mut end = names.len();
    loop {
        let dot = memrchr(b'.', names.get(..end)?)?;
        let top = part(names, dot + 1, end);
        let is_coded = top.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--"));
        let in_top = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80;
        let in_coded = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let length = leading(top, 0, |byte| if is_coded { in_coded(byte) } else { in_top(byte) });
        let length = part(top, 0, length).trim_suffix_of(b"-").len();
        if length >= 2 {
            return Some(dot + 1 + length);
        }
        end = dot;
    }
}

/// `trim_end_matches` for bytes.
trait TrimSuffix {
    fn trim_suffix_of(&self, bytes: &[u8]) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_of(&self, bytes: &[u8]) -> &Self {
        let count = self.iter().rev().take_while(|byte| bytes.contains(byte)).count();
        self.get(..self.len() - count).unwrap_or_default()
    }
}

fn cards(between: (usize, usize), text: &[u8], each: &mut dyn FnMut(usize, usize)) {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    for (start, end) in card_runs(between, text) {
        let mut at = start;
        while at < end {
            // In the middle of a row of digits no number begins.
            let row = leading(text, at, is_digit);
            let begun = beginnings(text, at, at + row).rev();
            let found = begun.filter_map(|begin| Some((begin, card(text, begin)?)));
            // The longest one has the whole of another one's digits.
            let found = found.max_by_key(|(_, after)| *after);
            if let Some((begin, after)) = found {
                each(begin, after);
            }
            at = found.map_or(at + row.max(1), |(_, after)| after);
        }
    }
}

/// Where the card number that begins here ends, if there is one.
fn card(text: &[u8], start: usize) -> Option<usize> {
    // Whose first digit is another one was issued by nobody, and is often a time.
    if !matches!(text.get(start), Some(b'2'..=b'6')) {
        return None;
    }
    let mut number = [0_u8; CARD_DIGITS_MAX];
    let (mut count, mut at, mut found) = (0, start, None);
    loop {
        match text.get(at).copied() {
            Some(digit @ b'0'..=b'9') => {
                *number.get_mut(count)? = digit - b'0';
                count += 1;
                at += 1;
                let next = text.get(at).copied().unwrap_or(b' ');
                let number = number.get(..count)?;
                if !next.is_ascii_alphanumeric() && issued(number) && luhn(number) {
                    found = Some(at);
                }
                if count == CARD_DIGITS_MAX {
                    return found;
                }
            }
            Some(b' ' | b'-') if text.get(at + 1).is_some_and(u8::is_ascii_digit) => at += 1,
            _ => return found,
        }
    }
}

/// Whether an issuer gives out numbers of this length with these first digits.
fn issued(number: &[u8]) -> bool {
    let head = |count: usize| {
        number.iter().take(count).fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    let (two, three, four) = (head(2), head(3), head(4));
    match number.len() {
        13 => two / 10 == 4,
        14 => matches!(two, 36 | 38 | 39) || matches!(three, 300..=305),
        15 => matches!(two, 34 | 37),
        16 => {
            two / 10 == 4
                || matches!(two, 51..=55 | 62 | 65)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
                || matches!(three, 644..=649)
        }
        17 | 18 => matches!(two, 62 | 65) || four == 6011,
        19 => {
            two / 10 == 4 || matches!(two, 62 | 65) || four == 6011 || matches!(four, 3528..=3589)
        }
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812.
fn luhn(number: &[u8]) -> bool {
    let value = |(place, digit): (usize, &u8)| {
        let twice = u32::from(*digit) << (place % 2);
        if twice > 9 { twice - 9 } else { twice }
    };
    number.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

fn v4(text: &[u8], each: &mut dyn FnMut(usize, usize)) {
    let mut from = 0;
    for dot in memchr_iter(b'.', text) {
        let (digits, _) = around(text, dot, |byte| byte.is_ascii_digit());
        let Some(start) = dot.checked_sub(digits).filter(|start| *start >= from) else { continue };
        let before = start.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(b' ');
        if before == b'.' {
            continue;
        }
        let mut begun = beginnings(text, start, dot);
        if let Some((begin, end)) = begun.find_map(|begin| Some((begin, octets(text, begin)?))) {
            each(begin, end);
            from = end;
        }
    }
}

/// Where the four octets that begin here end.
fn octets(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    for octet in 0..4 {
        if octet > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let (mut value, first) = (0_u32, at);
        while let Some(digit @ b'0'..=b'9') = text.get(at).filter(|_| at - first < 4) {
            value = value * 10 + u32::from(digit - b'0');
            at += 1;
        }
        if at == first || at - first > 3 || value > 255 {
            return None;
        }
    }
    let goes_on = match (text.get(at), text.get(at + 1)) {
        (Some(b'.'), Some(next)) => next.is_ascii_digit(),
        (Some(next), _) => next.is_ascii_alphanumeric(),
        _ => false,
    };
    (!goes_on).then_some(at)
}

fn suspects_v6(text: &[u8]) -> bool {
    memmem::find(text, b"::").is_some()
        || runs(text, 15, v6_byte)
            .any(|(start, end)| memchr_iter(b':', part(text, start, end)).nth(5).is_some())
}

fn v6(text: &[u8], each: &mut dyn FnMut(usize, usize)) {
    let mut from = 0;
    for colon in memchr_iter(b':', text) {
        if colon < from {
            continue;
        }
        let (before, after) = around(text, colon, v6_byte);
        let start = (colon - before).max(from);
        from = colon + after;
        let run = text.get(start..from).unwrap_or_default().trim_suffix_of(b".");
        let bounded = |at: Option<usize>| {
            at.and_then(|at| text.get(at))
                .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        };
        if !bounded(Some(from)) {
            continue;
        }
        // The first group may be the end of a word.
        let is_word = bounded(start.checked_sub(1));
        let behind_word = if is_word { None } else { memchr(b':', run) };
        let behind_word = behind_word.map(|colon| start + colon + 1);
        let is_joined = start.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'_');
        let begun = beginnings(text, start, from).filter(|at| *at > start || !is_joined);
        let end = start + run.len();
        let mut found = begun.chain(behind_word);
        if let Some((begin, end)) = found.find_map(|at| Some((at, v6_end(text, at, end)?))) {
            each(begin, end);
        }
    }
}

/// Where the address ends that begins here and goes on to `end`. The last group may be a port. A
/// colon after an address belongs to the sentence.
fn v6_end(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let run = part(text, start, end);
    let shorter = memrchr(b':', run).map(|colon| part(run, 0, colon));
    let shorter = shorter.filter(|shorter| !shorter.ends_with(b":"));
    let run = [Some(run), shorter].into_iter().flatten().find(|run| is_v6(run))?;
    Some(start + run.len())
}

fn is_v6(run: &[u8]) -> bool {
    let text = if run.len() <= V6_BYTES_MAX { std::str::from_utf8(run).ok() } else { None };
    let address = text.and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some() && run.iter().any(u8::is_ascii_hexdigit)
}

fn bearers(text: &[u8], each: &mut dyn FnMut(usize, usize)) {
    let mut at = 0;
    while let Some(found) =
        text.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'B' | b'b')))
    {
        let start = at + found;
        at = start + 1;
        let word = text.get(start..start + 6).unwrap_or_default();
        if !word.eq_ignore_ascii_case(b"bearer") {
            continue;
        }
        let begin = gap_end(text, start + 6);
        // Without a gap a row of these words would be looked at from each of them to its end.
        if begin == start + 6 {
            continue;
        }
        // A quote right behind the word ends what it stands in.
        let is_quoted = begin > start + 7 && matches!(text.get(begin - 1), Some(b'"' | b'\''));
        let end = bearer_end(text, begin, is_quoted);
        if end - begin >= TOKEN_BYTES_MIN {
            each(begin, end);
            at = end;
        }
    }
}

/// Where the gap between the word and its token ends, which begins here: blanks and marks, as they
/// are or as an escape of one byte (`%20`, `\x20`, `#011`), or the `+` of a form. Only behind the
/// word or an escape a `+` is a blank: a token may begin with one.
fn gap_end(text: &[u8], mut at: usize) -> usize {
    let is_gap = |byte| b" \t\n\r:=\"'".contains(&byte);
    let mut is_form = true;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let (length, is_next_form) = match rest {
            [byte, ..] if is_gap(*byte) => (1, false),
            [b'+', ..] if is_form => (1, false),
            _ => match escaped(rest) {
                Some((byte, length)) if is_gap(byte) => (length, true),
                _ => return at,
            },
        };
        (at, is_form) = (at + length, is_next_form);
    }
}

/// The byte that an escape of one byte at the start of this text stands for, and its length.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    let (digits, radix, length) = match text {
        [b'%', digits @ ..] => (digits.get(..2)?, 16, 3),
        [b'\\', b'x', digits @ ..] => (digits.get(..2)?, 16, 4),
        [b'#', digits @ ..] => (digits.get(..3)?, 8, 4),
        _ => return None,
    };
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let digits = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(is_digit))?;
    Some((u8::from_str_radix(digits, radix).ok()?, length))
}

/// Where the token that begins here ends: at a blank or a mark, without the brackets around it; or
/// where the quotes that it begins with are closed.
fn bearer_end(text: &[u8], begin: usize, is_quoted: bool) -> usize {
    let token = |byte: u8| byte.is_ascii_graphic() && !b"\"'`,;\\".contains(&byte);
    let bare = part(text, begin, begin + leading(text, begin, token));
    let bare = bare.trim_suffix_of(b")]}>");
    let closed = if is_quoted && !bare.is_empty() { closing(text, begin) } else { None };
    closed.unwrap_or(begin + bare.len())
}

/// Where the next quote is that is not escaped.
fn closing(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr3(b'"', b'\'', b'\\', text.get(at..)?)?;
        if text.get(at) != Some(&b'\\') {
            return Some(at);
        }
        at += 2;
    }
}

fn tokens(text: &[u8], each: &mut dyn FnMut(usize, usize)) {
    let class = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    // Where the part ends that is behind the dot here.
    let after_dot = |dot: usize| {
        (text.get(dot) == Some(&b'.')).then(|| dot + 1 + leading(text, dot + 1, class))
    };
    let mut from = 0;
    for start in memmem::find_iter(text, b"eyJ") {
        let before = start.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(b' ');
        if start < from || class(before) && !is_behind_escape(text, start) {
            continue;
        }
        let dot = start + leading(text, start, class);
        let Some(second) = after_dot(dot) else { continue };
        // The key of an encrypted token may be empty.
        let is_keyless = second == dot + 1;
        let third = after_dot(second).unwrap_or(second);
        let known = if is_keyless { third - second } else { second - dot };
        if known <= TOKEN_BYTES_MIN {
            continue;
        }
        // Such a token has two more parts.
        let more = |end| after_dot(end).filter(|next| *next > end + 1).unwrap_or(end);
        let end = more(more(third));
        each(start, end);
        from = end;
    }
}

#[cfg(test)]
mod tests;
