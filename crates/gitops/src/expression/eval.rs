//! Walks the tree over values and counts the work.

use super::parser::{Kind, Macro, Node};
use super::value::{List, Map, Value};
use super::{COST_MAX, ExpressionError, functions, position};
use serde_json::{Number, Value as Json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Result<T> = std::result::Result<T, ExpressionError>;

/// Nanoseconds that a duration may have: Go's, some 292 years.
const DURATION_MAX: i128 = i64::MAX as i128;

/// One evaluation.
pub(super) struct Evaluation<'a> {
    text: &'a str,
    variables: Vec<(&'a str, Value<'a>)>,
    spent: u64,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(text: &'a str, variables: &[(&'a str, &'a Json)]) -> Self {
        let variables = variables.iter().map(|(name, json)| (*name, Value::from(*json))).collect();
        Self { text, variables, spent: 0 }
    }

    /// Pays for work before it is done.
    pub(super) fn pay(&mut self, units: u64) -> Result<()> {
        self.spent = self.spent.saturating_add(units);
        if self.spent > COST_MAX { Err(ExpressionError::Cost) } else { Ok(()) }
    }

    pub(super) fn error<T>(&self, at: usize, problem: impl Into<String>) -> Result<T> {
        let at = position(self.text, at);
        Err(ExpressionError::Evaluate { at, problem: problem.into() })
    }

    pub(super) fn node(&mut self, node: &'a Node) -> Result<Value<'a>> {
        self.pay(1)?;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Int(number) => Ok(Value::Int(*number)),
            Kind::Uint(number) => Ok(Value::Uint(*number)),
            Kind::Double(number) => Ok(Value::Double(*number)),
            Kind::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Kind::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                Ok(found.map_or(Value::Null, |(_, value)| value.clone()))
            }
            Kind::List(items) => {
                let items = items.iter().map(|item| self.node(item)).collect::<Result<_>>()?;
                Ok(Value::list(items))
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Select(of, field) => {
                let of = self.node(of)?;
                self.key(node.at, &of, field)
            }
            Kind::Has(of, field) => match self.node(of)? {
                Value::Map(map) => Ok(Value::Bool(map.get(field).is_some())),
                // As in cel-go, what has no fields at all has not this one either.
                _ => Ok(Value::Bool(false)),
            },
            Kind::Index(of, index) => {
                let (of, index) = (self.node(of)?, self.node(index)?);
                self.index(node.at, &of, &index)
            }
            Kind::Not(below) => match self.node(below)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                other => self.error(node.at, format!("`!` of {}", other.kind())),
            },
            Kind::Negate(below) => self.negate(node, below),
            Kind::Binary(sign, operands) => {
                let [left, right] = operands.as_ref();
                let (left, right) = (self.node(left)?, self.node(right)?);
                self.binary(node.at, sign, &left, &right)
            }
            Kind::And(operands) => self.logic(operands, false),
            Kind::Or(operands) => self.logic(operands, true),
            Kind::Choose(three) => {
                let [condition, yes, no] = three.as_ref();
                match self.node(condition)? {
                    Value::Bool(true) => self.node(yes),
                    Value::Bool(false) => self.node(no),
                    other => self.error(node.at, format!("`?` of {}", other.kind())),
                }
            }
            Kind::Call(function, arguments) => {
                let arguments: Vec<Value<'a>> =
                    arguments.iter().map(|node| self.node(node)).collect::<Result<_>>()?;
                for argument in &arguments {
                    self.pay(argument.weight())?;
                }
                functions::call(self, node.at, function, &arguments)
            }
            Kind::Macro { name, list, variable, bodies } => {
                self.comprehension(node, *name, list, variable, bodies)
            }
        }
    }

    fn negate(&mut self, node: &Node, below: &'a Node) -> Result<Value<'a>> {
        let value = self.node(below)?;
        let negated = match &value {
            Value::Int(number) => number.checked_neg().map(Value::Int),
            Value::Double(number) => Some(Value::Double(-number)),
            Value::Duration(nanos) => duration(-nanos),
            _ => None,
        };
        let problem = || format!("`-` of {}", value.kind());
        negated.map_or_else(|| self.error(node.at, problem()), Ok)
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Value<'a>> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let Value::Text(text) = self.node(key)? else {
                return self.error(key.at, "the key of a map must be a text here");
            };
            let value = self.node(value)?;
            if map.insert(text.into_owned(), value).is_some() {
                return self.error(key.at, "this key is there twice");
            }
        }
        Ok(Value::Map(Map::Own(Arc::new(map))))
    }

    fn key(&self, at: usize, of: &Value<'a>, key: &str) -> Result<Value<'a>> {
        let Value::Map(map) = of else {
            return self.error(at, format!("{} has no fields", of.kind()));
        };
        map.get(key).ok_or_else(|| ExpressionError::NoSuchKey {
            at: position(self.text, at),
            key: key.to_owned(),
        })
    }

    fn index(&self, at: usize, of: &Value<'a>, index: &Value<'a>) -> Result<Value<'a>> {
        match (of, index) {
            (Value::Map(_), Value::Text(key)) => self.key(at, of, key),
            (Value::List(list), _) => {
                let Some(number) = whole(index) else {
                    return self.error(at, format!("a list has no element {}", index.kind()));
                };
                let found = usize::try_from(number).ok().and_then(|number| list.get(number));
                found.map_or_else(|| self.error(at, format!("there is no element {number}")), Ok)
            }
            _ => self.error(at, format!("`[]` of {} with {}", of.kind(), index.kind())),
        }
    }

    /// `&&` (decided by false) and `||` (decided by true): an error counts only when no operand
    /// decides.
    fn logic(&mut self, operands: &'a [Node], decides: bool) -> Result<Value<'a>> {
        let mut error = None;
        for operand in operands {
            match self.node(operand) {
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(other) => {
                    let sign = if decides { "||" } else { "&&" };
                    let wrong: Result<()> =
                        self.error(operand.at, format!("`{sign}` of {}", other.kind()));
                    error = error.or(wrong.err());
                }
                Err(ExpressionError::Cost) => return Err(ExpressionError::Cost),
                Err(wrong) => error = error.or(Some(wrong)),
            }
        }
        error.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn comprehension(
        &mut self,
        node: &Node,
        name: Macro,
        list: &'a Node,
        variable: &'a str,
        bodies: &'a [Node],
    ) -> Result<Value<'a>> {
        let items: List<'a> = match self.node(list)? {
            Value::List(list) => list,
            Value::Map(map) => {
                self.pay(u64::try_from(map.len()).unwrap_or(u64::MAX))?;
                List::Own(Arc::new(map.keys()))
            }
            other => return self.error(node.at, format!("{} has no elements", other.kind())),
        };
        let (mut made, mut found, mut error) = (Vec::new(), 0_usize, None);
        let condition = bodies.first().filter(|_| name != Macro::Map || bodies.len() == 2);
        for index in 0..items.len() {
            let Some(item) = items.get(index) else { break };
            self.pay(1)?;
            self.variables.push((variable, item.clone()));
            let verdict = condition.map_or(Ok(Value::Bool(true)), |body| self.node(body));
            let result = match (&verdict, name) {
                (Ok(Value::Bool(true)), Macro::Map) => bodies.last().map(|body| self.node(body)),
                _ => None,
            };
            self.variables.pop();
            let holds = match verdict {
                Ok(Value::Bool(holds)) => holds,
                Ok(other) => {
                    let wrong: Result<()> =
                        self.error(node.at, format!("the condition is {}", other.kind()));
                    error = error.or(wrong.err());
                    continue;
                }
                Err(ExpressionError::Cost) => return Err(ExpressionError::Cost),
                Err(wrong) => {
                    error = error.or(Some(wrong));
                    continue;
                }
            };
            match (name, holds) {
                (Macro::All, false) => return Ok(Value::Bool(false)),
                (Macro::Exists, true) => return Ok(Value::Bool(true)),
                (Macro::ExistsOne, true) => found += 1,
                (Macro::Filter, true) => made.push(item),
                (Macro::Map, true) => made.extend(result.transpose()?),
                _ => {}
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
        Ok(match name {
            Macro::All => Value::Bool(true),
            Macro::Exists => Value::Bool(false),
            Macro::ExistsOne => Value::Bool(found == 1),
            Macro::Filter | Macro::Map => Value::list(made),
        })
    }

    fn binary(
        &mut self,
        at: usize,
        sign: &'static str,
        left: &Value<'a>,
        right: &Value<'a>,
    ) -> Result<Value<'a>> {
        match sign {
            "==" => return Ok(Value::Bool(self.equal(left, right)?)),
            "!=" => return Ok(Value::Bool(!self.equal(left, right)?)),
            "in" => return self.is_in(at, left, right),
            "<" | "<=" | ">" | ">=" => {
                self.pay(left.weight().min(right.weight()))?;
                let numbers = |value: &Value<'_>| {
                    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
                };
                let Some(order) = left.order(right) else {
                    if numbers(left) && numbers(right) {
                        // One of them is not a number (NaN), which compares with nothing.
                        return Ok(Value::Bool(false));
                    }
                    return self.mismatch(at, sign, left, right);
                };
                return Ok(Value::Bool(match sign {
                    "<" => order == Ordering::Less,
                    "<=" => order != Ordering::Greater,
                    ">" => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }));
            }
            _ => {}
        }
        match (sign, left, right) {
            ("+", Value::Text(l), Value::Text(r)) => {
                self.pay(left.weight() + right.weight())?;
                Ok(Value::text(format!("{l}{r}")))
            }
            ("+", Value::List(l), Value::List(r)) => {
                self.pay(left.weight() + right.weight())?;
                let all = |list: &List<'a>| (0..list.len()).filter_map(|n| list.get(n)).collect();
                let (mut items, more): (Vec<_>, Vec<_>) = (all(l), all(r));
                items.extend(more);
                Ok(Value::list(items))
            }
            _ => match arithmetic(sign, left, right) {
                Some(Ok(value)) => Ok(value),
                Some(Err(problem)) => self.error(at, problem),
                None => self.mismatch(at, sign, left, right),
            },
        }
    }

    fn mismatch<T>(&self, at: usize, sign: &str, left: &Value<'_>, right: &Value<'_>) -> Result<T> {
        self.error(at, format!("`{sign}` of {} and {}", left.kind(), right.kind()))
    }

    fn is_in(&mut self, at: usize, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>> {
        match (left, right) {
            (Value::Text(key), Value::Map(map)) => Ok(Value::Bool(map.get(key).is_some())),
            // All keys of a map are texts.
            (_, Value::Map(_)) => Ok(Value::Bool(false)),
            (_, Value::List(list)) => {
                for index in 0..list.len() {
                    let Some(item) = list.get(index) else { break };
                    if self.equal(left, &item)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            _ => self.mismatch(at, "in", left, right),
        }
    }

    /// Equality; values of different kinds are not equal. Every element that is looked at is
    /// paid for.
    pub(super) fn equal(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<bool> {
        self.pay(1)?;
        match (left, right) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::List(l), Value::List(r)) => {
                if l.len() != r.len() {
                    return Ok(false);
                }
                for index in 0..l.len() {
                    let (Some(l), Some(r)) = (l.get(index), r.get(index)) else { break };
                    if !self.equal(&l, &r)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Map(l), Value::Map(r)) => {
                if l.len() != r.len() {
                    return Ok(false);
                }
                self.pay(left.weight())?;
                for key in l.keys() {
                    let Value::Text(key) = key else { break };
                    let (Some(l), Some(r)) = (l.get(&key), r.get(&key)) else { return Ok(false) };
                    if !self.equal(&l, &r)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => {
                self.pay(left.weight().min(right.weight()))?;
                Ok(left.order(right) == Some(Ordering::Equal))
            }
        }
    }

    /// A result as JSON.
    pub(super) fn json(&mut self, value: Value<'a>) -> Result<Json> {
        self.pay(1 + value.weight())?;
        Ok(match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(value),
            Value::Int(number) => Json::from(number),
            Value::Uint(number) => Json::from(number),
            Value::Double(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
            Value::Text(text) => Json::String(text.into_owned()),
            Value::List(list) => {
                let items = (0..list.len()).filter_map(|index| list.get(index));
                Json::Array(items.map(|item| self.json(item)).collect::<Result<_>>()?)
            }
            Value::Map(map) => {
                let mut made = serde_json::Map::new();
                for key in map.keys() {
                    let Value::Text(key) = key else { break };
                    if let Some(value) = map.get(&key) {
                        made.insert(key.clone().into_owned(), self.json(value)?);
                    }
                }
                Json::Object(made)
            }
            Value::Duration(nanos) => Json::String(functions::duration_text(nanos)),
            Value::Timestamp(time) => Json::String(time.to_string()),
            Value::Quantity(quantity) => Json::String(quantity.canonical()),
        })
    }
}

/// A duration within Go's bounds.
pub(super) fn duration<'a>(nanos: i128) -> Option<Value<'a>> {
    (nanos.abs() <= DURATION_MAX).then_some(Value::Duration(nanos))
}

/// A number that is whole, also a double such as `1.0`.
fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 1e15")]
            let number = *number as i128;
            Some(number)
        }
        _ => value.integer(),
    }
}

/// `+ - * / %`; none when the kinds do not fit, a problem when the numbers do not.
fn arithmetic<'a>(
    sign: &str,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Option<std::result::Result<Value<'a>, &'static str>> {
    const OVERFLOW: &str = "the result is too large";
    let value = |value: Option<Value<'a>>| Some(value.ok_or(OVERFLOW));
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0))
            if matches!(sign, "/" | "%") =>
        {
            Some(Err("a division by zero"))
        }
        (Value::Int(l), Value::Int(r)) => value(
            match sign {
                "+" => l.checked_add(*r),
                "-" => l.checked_sub(*r),
                "*" => l.checked_mul(*r),
                "/" => l.checked_div(*r),
                _ => l.checked_rem(*r),
            }
            .map(Value::Int),
        ),
        (Value::Uint(l), Value::Uint(r)) => value(
            match sign {
                "+" => l.checked_add(*r),
                "-" => l.checked_sub(*r),
                "*" => l.checked_mul(*r),
                "/" => l.checked_div(*r),
                _ => l.checked_rem(*r),
            }
            .map(Value::Uint),
        ),
        (Value::Double(l), Value::Double(r)) => Some(Ok(Value::Double(match sign {
            "+" => l + r,
            "-" => l - r,
            "*" => l * r,
            "/" => l / r,
            _ => return None,
        }))),
        (Value::Duration(l), Value::Duration(r)) => match sign {
            "+" => value(duration(l + r)),
            "-" => value(duration(l - r)),
            _ => None,
        },
        (Value::Timestamp(l), Value::Timestamp(r)) if sign == "-" => {
            value(duration(l.as_nanosecond() - r.as_nanosecond()))
        }
        (Value::Timestamp(time), Value::Duration(nanos)) => {
            let nanos = match sign {
                "+" => *nanos,
                "-" => -nanos,
                _ => return None,
            };
            let moved = jiff::Timestamp::from_nanosecond(time.as_nanosecond() + nanos);
            value(moved.ok().map(Value::Timestamp))
        }
        (Value::Duration(_), Value::Timestamp(_)) if sign == "+" => arithmetic(sign, right, left),
        _ => None,
    }
}
