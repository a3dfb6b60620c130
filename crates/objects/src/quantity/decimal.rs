//! Exact decimal numbers of any size, with just the operations that quantities need.

use std::cmp::Ordering;
use std::iter;

/// Sign, digits and exponent: the value is ±digits × 10^exponent.
///
/// Always normal: no leading and no trailing zero digits; zero has no digits, no sign and
/// exponent 0. So equal values have equal fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    negative: bool,
    /// Digits 0 to 9, the most significant first.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads ASCII digits before and behind a point.
    pub(super) fn new(negative: bool, whole: &str, fraction: &str) -> Self {
        let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte.wrapping_sub(b'0'));
        let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        Self { negative, digits: digits.collect(), exponent: -places }.normal()
    }

    pub(super) fn integer(value: i64) -> Self {
        Self::new(value < 0, &value.unsigned_abs().to_string(), "")
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    pub(super) fn magnitude(self) -> Self {
        Self { negative: false, ..self }
    }

    /// Times 10^`exponent`.
    pub(super) fn shifted(mut self, exponent: i64) -> Self {
        if !self.is_zero() {
            self.exponent += exponent;
        }
        self
    }

    /// Times 1024^`power`.
    pub(super) fn times_1024(mut self, power: u32) -> Self {
        for _ in 0..power {
            let mut carry = 0_u32;
            for digit in self.digits.iter_mut().rev() {
                let product = u32::from(*digit) * 1024 + carry;
                *digit = low_digit(product);
                carry = product / 10;
            }
            let mut front = Vec::new();
            while carry > 0 {
                front.push(low_digit(carry));
                carry /= 10;
            }
            front.reverse();
            front.append(&mut self.digits);
            self.digits = front;
        }
        self.normal()
    }

    /// Rounded away from zero to a multiple of 10^`exponent`.
    pub(super) fn rounded_away(mut self, exponent: i64) -> Self {
        if self.exponent >= exponent {
            return self;
        }
        let dropped = usize::try_from(exponent.saturating_sub(self.exponent)).unwrap_or(usize::MAX);
        self.digits.truncate(self.digits.len().saturating_sub(dropped));
        self.exponent = exponent;
        // Something other than zero was dropped, because the last digit never is one.
        let mut carry = true;
        for digit in self.digits.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == 9;
            *digit = if carry { 0 } else { *digit + 1 };
        }
        if carry {
            self.digits.insert(0, 1);
        }
        self.normal()
    }

    /// No further from zero than `max`.
    pub(super) fn capped(self, max: i64) -> Self {
        let limit = Self::integer(max);
        if self.clone().magnitude() > limit {
            return Self { negative: self.negative, ..limit };
        }
        self
    }

    /// The digits with an exponent that is a multiple of three.
    pub(super) fn with_exponent_of_thousands(&self) -> (String, i64) {
        let zeros = self.exponent.rem_euclid(3);
        let zeros = usize::try_from(zeros).unwrap_or(0);
        (self.text(zeros), self.exponent - self.exponent.rem_euclid(3))
    }

    /// A whole number divided by 1024 as often as that goes, with how often it went. Numbers past
    /// 128 bits, which capped quantities never reach, are left as they are.
    pub(super) fn without_factors_of_1024(&self) -> (String, u32) {
        let zeros = usize::try_from(self.exponent).unwrap_or(0);
        let Ok(mut value) = self.text(zeros).parse::<i128>() else { return (self.text(zeros), 0) };
        let mut power = 0;
        while value != 0 && value % 1024 == 0 {
            value /= 1024;
            power += 1;
        }
        (value.to_string(), power)
    }

    /// The sign, the digits and so many zeros.
    fn text(&self, zeros: usize) -> String {
        let sign = self.negative.then_some('-');
        let digits = self.digits.iter().map(|digit| char::from(b'0' + digit));
        sign.into_iter().chain(digits).chain(iter::repeat_n('0', zeros)).collect()
    }

    fn normal(mut self) -> Self {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        if self.digits.is_empty() {
            return Self { negative: false, digits: self.digits, exponent: 0 };
        }
        self
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        // Where the first digit stands decides, then the digits from the front.
        let height = |value: &Self| {
            i64::try_from(value.digits.len()).unwrap_or(i64::MAX).saturating_add(value.exponent)
        };
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                height(self).cmp(&height(other)).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }
}

fn low_digit(value: u32) -> u8 {
    u8::try_from(value % 10).unwrap_or(0)
}
