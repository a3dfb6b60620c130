//! The `allowed_signers` file of `ssh-keygen`: who may sign with which key, and when.
//!
//! A line is `PRINCIPALS [OPTIONS] KIND KEY [COMMENT]`. Input: the text. Output: the signers and
//! a message with its line for each line that is not accepted; such a line allows nobody.
//! Times without `Z` are read as UTC, because a controller has no time zone of its own.
//!
//! Limits: [`SIGNERS_MAX`] lines of at most [`LINE_BYTES_MAX`] bytes.

use super::key::{KINDS, Key};
use crate::verdict::printable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// More signers are refused.
pub(crate) const SIGNERS_MAX: usize = 10_000;
/// Longer lines are refused, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 32 << 10;
/// Longer names match no pattern, in bytes: matching costs the pattern times the name.
pub(crate) const NAME_BYTES_MAX: usize = 320;

/// One line: a key and who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedSigner {
    /// Patterns, as written.
    pub(crate) principals: String,
    pub(crate) key: Key,
    namespaces: Option<String>,
    valid_after: Option<i64>,
    valid_before: Option<i64>,
}

impl AllowedSigner {
    /// Whether a name is one of the principals: some pattern matches and no negated one does.
    pub(crate) fn matches(&self, name: &str) -> bool {
        matches_list(&self.principals, name)
    }

    pub(crate) fn allows_namespace(&self, name: &str) -> bool {
        self.namespaces.as_deref().is_none_or(|patterns| matches_list(patterns, name))
    }

    /// Why the signer may not have signed an object made at this time.
    pub(crate) fn outside_of_its_time(&self, made_at: i64, now: i64) -> Option<String> {
        let late = self.valid_before.is_some_and(|end| made_at > end);
        let early = self.valid_after.is_some_and(|start| made_at.min(now) < start);
        match (early, late) {
            (_, true) => Some("the signer was allowed only before that time".to_owned()),
            (true, _) => Some("the signer was not yet allowed at that time".to_owned()),
            _ => None,
        }
    }
}

/// Reads a file; gives the signers and what is wrong, with lines counted from 1.
pub(crate) fn read(text: &str) -> (Vec<AllowedSigner>, Vec<(u32, String)>) {
    let (mut signers, mut wrong) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1_u32..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if signers.len() == SIGNERS_MAX {
            wrong.push((number, format!("there are more than {SIGNERS_MAX} signers")));
            break;
        }
        match read_line(line) {
            Ok(signer) => signers.push(signer),
            Err(message) => wrong.push((number, message)),
        }
    }
    (signers, wrong)
}

fn read_line(line: &str) -> Result<AllowedSigner, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
    }
    let (principals, rest) = word(line).ok_or("a quote is not closed")?;
    let principals = principals.trim_matches('"').to_owned();
    if principals.is_empty() || rest.is_empty() {
        return Err("the line is not `PRINCIPALS [OPTIONS] KIND KEY`".to_owned());
    }
    let (first, behind) = word(rest).ok_or("a quote is not closed")?;
    let is_kind = |word: &str| KINDS.contains(&word) || word.contains("-cert-v01@");
    let (options, kind, behind) = if is_kind(first) {
        ("", first, behind)
    } else {
        let (kind, behind) = word(behind).ok_or("a quote is not closed")?;
        (first, kind, behind)
    };
    if !is_kind(kind) {
        return Err("there is no kind of SSH key that is known".to_owned());
    }
    let options = Options::read(options)?;
    let base64 = behind.split_ascii_whitespace().next().unwrap_or_default();
    let bytes = STANDARD.decode(base64).map_err(|_| "the key is not valid base64".to_owned())?;
    let stated = [&u32::try_from(kind.len()).unwrap_or(0).to_be_bytes(), kind.as_bytes()].concat();
    if !bytes.starts_with(&stated) {
        return Err(format!("the key is not one of kind `{}`", printable(kind)));
    }
    let key = Key::read(&bytes).map_err(|fault| format!("not accepted: {}", fault.text()))?;
    let Options { namespaces, valid_after, valid_before } = options;
    Ok(AllowedSigner { principals, key, namespaces, valid_after, valid_before })
}

/// The next word, and what is behind it; blanks inside quotes do not end a word.
fn word(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        !quoted && c.is_ascii_whitespace()
    });
    match end {
        Some((at, _)) => text.split_at_checked(at).map(|(word, rest)| (word, rest.trim_start())),
        None if quoted => None,
        None => Some((text, "")),
    }
}

#[derive(Default)]
struct Options {
    namespaces: Option<String>,
    valid_after: Option<i64>,
    valid_before: Option<i64>,
}

impl Options {
    fn read(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut quoted = false;
        let parts = text.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, value.trim_matches('"')),
                None => (part, ""),
            };
            match name.to_ascii_lowercase().as_str() {
                "cert-authority" => {
                    return Err("`cert-authority`: SSH certificates are not accepted".to_owned());
                }
                "namespaces" if options.namespaces.is_none() => {
                    options.namespaces = Some(value.to_owned());
                }
                "valid-after" if options.valid_after.is_none() => {
                    options.valid_after = Some(time(value)?);
                }
                "valid-before" if options.valid_before.is_none() => {
                    options.valid_before = Some(time(value)?);
                }
                "namespaces" | "valid-after" | "valid-before" => {
                    return Err(format!("the option `{name}` is given twice"));
                }
                _ => return Err(format!("the option `{}` is not known", printable(name))),
            }
        }
        if let (Some(after), Some(before)) = (options.valid_after, options.valid_before)
            && after >= before
        {
            return Err("`valid-before` is not later than `valid-after`".to_owned());
        }
        Ok(options)
    }
}

/// `YYYYMMDD[HHMM[SS]][Z]` in seconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{}` is not a time: write YYYYMMDD[HHMM[SS]]Z", printable(text));
    let digits = text.strip_suffix('Z').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Ok(0), str::parse::<i64>);
    let fields = [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14)];
    let [Ok(year), Ok(month), Ok(day), Ok(hour), Ok(minute), Ok(second)] = fields else {
        return Err(wrong());
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days_in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(wrong()),
    };
    let in_range = year >= 1970
        && (1..=days_in_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return Err(wrong());
    }
    Ok(((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is
/// the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// Patterns with commas between them; one that begins with `!` excludes.
fn matches_list(patterns: &str, name: &str) -> bool {
    let mut matched = false;
    if name.len() > NAME_BYTES_MAX {
        return false;
    }
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches_pattern(excluded, name) => return false,
            Some(_) => {}
            None => matched |= matches_pattern(pattern, name),
        }
    }
    matched
}

/// `*` is any text and `?` any one character. Time is at most pattern times name.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut reachable: Vec<bool> = vec![true];
    let name: Vec<char> = name.chars().collect();
    reachable.resize(name.len() + 1, false);
    for wanted in pattern.chars() {
        let mut next = Vec::with_capacity(reachable.len());
        for (index, here) in reachable.iter().enumerate() {
            let before = index.checked_sub(1);
            let stepped =
                before.and_then(|before| Some((*reachable.get(before)?, *name.get(before)?)));
            let reached = match wanted {
                '*' => *here || before.and_then(|before| next.get(before).copied()) == Some(true),
                '?' => matches!(stepped, Some((true, _))),
                _ => matches!(stepped, Some((true, c)) if c == wanted),
            };
            next.push(reached);
        }
        reachable = next;
    }
    reachable.last() == Some(&true)
}

#[cfg(test)]
mod tests;
