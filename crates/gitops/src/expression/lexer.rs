//! The words of an expression, each with the byte it begins at.

use super::{ExpressionError, position};

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Int(i64),
    /// 2^63, which is an integer only behind a minus.
    MinMagnitude,
    Uint(u64),
    Double(f64),
    Text(String),
    Name(String),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// The signs, longer ones first.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}", "=",
];

/// Splits a text into words.
pub(super) fn lex(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error<T>(&self, at: usize, problem: impl Into<String>) -> Result<T, ExpressionError> {
        let at = position(self.text, at);
        Err(ExpressionError::Syntax { at, problem: problem.into(), hint: None })
    }

    fn next(&mut self) -> Result<Option<(usize, Token)>, ExpressionError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.at += blank;
            if !self.rest().starts_with("//") {
                break;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
        let (start, rest) = (self.at, self.rest());
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let second = rest.chars().nth(1).unwrap_or(' ');
        let token = match first {
            '0'..='9' => self.number()?,
            '.' if second.is_ascii_digit() => self.number()?,
            '"' | '\'' => self.string(false)?,
            'r' | 'R' if matches!(second, '"' | '\'') => {
                self.at += 1;
                self.string(true)?
            }
            'b' | 'B' if matches!(second, '"' | '\'') => {
                return self.error(start, "bytes are not supported here");
            }
            '_' | 'a'..='z' | 'A'..='Z' => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                self.at += end;
                Token::Name(rest.get(..end).unwrap_or_default().to_owned())
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Token::Sign(sign)
                }
                None => return self.error(start, format!("`{first}` is no part of an expression")),
            },
        };
        Ok(Some((start, token)))
    }

    fn number(&mut self) -> Result<Token, ExpressionError> {
        let (start, rest) = (self.at, self.rest());
        let wrong = |lexer: &Self| lexer.error(start, "this number is too large or has no form");
        if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
            let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            let digits = hex.get(..end).unwrap_or_default();
            self.at += 2 + end;
            let Ok(number) = u64::from_str_radix(digits, 16) else { return wrong(self) };
            return self.integer(number, start);
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(rest);
        let mut double = false;
        let tail = |end: usize| rest.get(end..).unwrap_or_default();
        if let Some(fraction) = tail(end).strip_prefix('.')
            && digits(fraction) > 0
        {
            double = true;
            end += 1 + digits(fraction);
        }
        if let Some(exponent) = tail(end).strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let count = digits(exponent.get(sign..).unwrap_or_default());
            if count > 0 {
                double = true;
                end += 1 + sign + count;
            }
        }
        let text = rest.get(..end).unwrap_or_default();
        self.at += end;
        if double {
            return match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Token::Double(number)),
                _ => wrong(self),
            };
        }
        let Ok(number) = text.parse::<u64>() else { return wrong(self) };
        self.integer(number, start)
    }

    fn integer(&mut self, number: u64, start: usize) -> Result<Token, ExpressionError> {
        if self.rest().starts_with(['u', 'U']) {
            self.at += 1;
            return Ok(Token::Uint(number));
        }
        if number == i64::MIN.unsigned_abs() {
            return Ok(Token::MinMagnitude);
        }
        match i64::try_from(number) {
            Ok(number) => Ok(Token::Int(number)),
            Err(_) => self.error(start, "this number is too large"),
        }
    }

    fn string(&mut self, raw: bool) -> Result<Token, ExpressionError> {
        let start = self.at;
        let quote = ["\"\"\"", "'''", "\"", "'"];
        let Some(quote) = quote.into_iter().find(|quote| self.rest().starts_with(quote)) else {
            return self.error(start, "a text must begin with a quote");
        };
        self.at += quote.len();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(Token::Text(text));
            }
            let Some(c) = rest.chars().next() else {
                return self.error(start, "this text has no end");
            };
            if quote.len() == 1 && matches!(c, '\n' | '\r') {
                return self.error(start, "this text has no end on its line");
            }
            self.at += c.len_utf8();
            text.push(if c == '\\' && !raw { self.escape()? } else { c });
        }
    }

    /// The character behind a backslash.
    fn escape(&mut self) -> Result<char, ExpressionError> {
        let start = self.at.saturating_sub(1);
        let Some(c) = self.rest().chars().next() else {
            return self.error(start, "this text has no end");
        };
        self.at += c.len_utf8();
        let digits = match c {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => return Ok(c),
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            _ => return self.error(start, format!("`\\{c}` is no escape")),
        };
        let code = self.rest().get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        self.at += digits;
        match code.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.error(start, "this escape names no character"),
        }
    }
}
