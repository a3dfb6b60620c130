//! From words to a tree. Names of variables, functions and macros are checked here, so that a
//! typing error is told when a GitSync is written and not when an outage is looked at.

use super::lexer::{Token, lex};
use super::{DEPTH_MAX, ExpressionError, functions, position};
use model::{Hint, nearest};

/// A node and the byte that its errors point to.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) kind: Kind,
    depth: usize,
}

/// What a node does.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Variable(String),
    Select(Box<Node>, String),
    Has(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// An operator between two values, by its sign.
    Binary(&'static str, Box<[Node; 2]>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Choose(Box<[Node; 3]>),
    /// A function; the receiver of a method is the first argument.
    Call(&'static functions::Function, Vec<Node>),
    Macro {
        name: Macro,
        list: Box<Node>,
        variable: String,
        bodies: Vec<Node>,
    },
}

/// A loop over a list or over the keys of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

const MACROS: [(&str, Macro, std::ops::RangeInclusive<usize>); 6] = [
    ("all", Macro::All, 2..=2),
    ("exists", Macro::Exists, 2..=2),
    ("exists_one", Macro::ExistsOne, 2..=2),
    ("existsOne", Macro::ExistsOne, 2..=2),
    ("filter", Macro::Filter, 2..=2),
    ("map", Macro::Map, 2..=3),
];

const RESERVED: [&str; 14] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "void",
];

const RELATIONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

type Result<T> = std::result::Result<T, ExpressionError>;

/// Parses a text that may use these variables.
pub(super) fn parse(text: &str, variables: &[&str]) -> Result<Node> {
    let variables = variables.iter().map(|name| (*name).to_owned()).collect();
    let mut parser = Parser { text, tokens: lex(text)?, next: 0, variables, level: 0 };
    let node = parser.expression()?;
    match parser.tokens.get(parser.next) {
        None => Ok(node),
        Some((at, _)) => parser.error(*at, "the expression should end here"),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// Those of the caller, then those of the macros around.
    variables: Vec<String>,
    level: usize,
}

impl Parser<'_> {
    fn error<T>(&self, at: usize, problem: impl Into<String>) -> Result<T> {
        let at = position(self.text, at);
        Err(ExpressionError::Syntax { at, problem: problem.into(), hint: None })
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(at, _)| *at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some((_, Token::Sign(s))) if *s == sign);
        self.next += usize::from(found);
        found
    }

    fn take_one(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().find(|sign| self.take(sign)).copied()
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        let at = self.at();
        if self.take(sign) { Ok(()) } else { self.error(at, format!("`{sign}` is missing here")) }
    }

    fn node(&self, at: usize, kind: Kind, below: usize) -> Result<Node> {
        let depth = below + 1;
        if depth > DEPTH_MAX {
            return Err(ExpressionError::TooDeep { at: position(self.text, at) });
        }
        Ok(Node { at, kind, depth })
    }

    /// One level of brackets deeper; the levels of the parser itself are bounded too.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.level >= DEPTH_MAX {
            return Err(ExpressionError::TooDeep { at: position(self.text, self.at()) });
        }
        self.level += 1;
        let result = parse(self);
        self.level -= 1;
        result
    }

    fn expression(&mut self) -> Result<Node> {
        self.nested(|parser| {
            let condition = parser.or()?;
            let at = parser.at();
            if !parser.take("?") {
                return Ok(condition);
            }
            let yes = parser.or()?;
            parser.expect(":")?;
            let no = parser.expression()?;
            let depth = condition.depth.max(yes.depth).max(no.depth);
            parser.node(at, Kind::Choose(Box::new([condition, yes, no])), depth)
        })
    }

    fn or(&mut self) -> Result<Node> {
        self.chain("||", Self::and, Kind::Or)
    }

    fn and(&mut self) -> Result<Node> {
        self.chain("&&", Self::relation, Kind::And)
    }

    /// Any number of operands is one level.
    fn chain(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<Node>,
        kind: fn(Vec<Node>) -> Kind,
    ) -> Result<Node> {
        let first = operand(self)?;
        let at = self.at();
        if !self.take(sign) {
            return Ok(first);
        }
        let mut operands = vec![first, operand(self)?];
        while self.take(sign) {
            operands.push(operand(self)?);
        }
        let depth = operands.iter().map(|node| node.depth).max().unwrap_or(0);
        self.node(at, kind(operands), depth)
    }

    fn relation(&mut self) -> Result<Node> {
        let mut left = self.sum()?;
        loop {
            let at = self.at();
            let is_in =
                matches!(self.tokens.get(self.next), Some((_, Token::Name(n))) if n == "in");
            let sign = if is_in {
                self.next += 1;
                "in"
            } else {
                let Some(sign) = self.take_one(&RELATIONS) else { return Ok(left) };
                sign
            };
            let right = self.sum()?;
            left = self.binary(at, sign, left, right)?;
        }
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        loop {
            let at = self.at();
            let Some(sign) = self.take_one(&["+", "-"]) else { return Ok(left) };
            let right = self.product()?;
            left = self.binary(at, sign, left, right)?;
        }
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.unary()?;
        loop {
            let at = self.at();
            let Some(sign) = self.take_one(&["*", "/", "%"]) else { return Ok(left) };
            let right = self.unary()?;
            left = self.binary(at, sign, left, right)?;
        }
    }

    fn binary(&self, at: usize, sign: &'static str, left: Node, right: Node) -> Result<Node> {
        let depth = left.depth.max(right.depth);
        self.node(at, Kind::Binary(sign, Box::new([left, right])), depth)
    }

    fn unary(&mut self) -> Result<Node> {
        let at = self.at();
        if self.take("!") {
            let below = self.nested(Self::unary)?;
            let depth = below.depth;
            return self.node(at, Kind::Not(Box::new(below)), depth);
        }
        if self.take("-") {
            if matches!(self.tokens.get(self.next), Some((_, Token::MinMagnitude))) {
                self.next += 1;
                return self.node(at, Kind::Int(i64::MIN), 0);
            }
            let below = self.nested(Self::unary)?;
            let depth = below.depth;
            return self.node(at, Kind::Negate(Box::new(below)), depth);
        }
        self.member()
    }

    fn member(&mut self) -> Result<Node> {
        let mut node = self.primary()?;
        loop {
            let at = self.at();
            if self.take(".") {
                if self.take("?") {
                    return self.error(at, "optional fields (`.?`) are not supported: use `has()`");
                }
                let at = self.at();
                let name = self.name()?;
                node = if self.take("(") {
                    self.method(at, &name, node)?
                } else {
                    let depth = node.depth;
                    self.node(at, Kind::Select(Box::new(node), name), depth)?
                };
            } else if self.take("[") {
                let index = self.expression()?;
                self.expect("]")?;
                let depth = node.depth.max(index.depth);
                node = self.node(at, Kind::Index(Box::new(node), Box::new(index)), depth)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn name(&mut self) -> Result<String> {
        let at = self.at();
        match self.tokens.get(self.next) {
            Some((_, Token::Name(name))) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => self.error(at, "a name is missing here"),
        }
    }

    fn primary(&mut self) -> Result<Node> {
        let at = self.at();
        if self.take("(") {
            let node = self.expression()?;
            self.expect(")")?;
            return Ok(node);
        }
        if self.take("[") {
            let items = self.list("]")?;
            let depth = items.iter().map(|node| node.depth).max().unwrap_or(0);
            return self.node(at, Kind::List(items), depth);
        }
        if self.take("{") {
            return self.map(at);
        }
        let Some((_, token)) = self.tokens.get(self.next).cloned() else {
            return self.error(at, "the expression ends where a value is missing");
        };
        self.next += 1;
        let kind = match token {
            Token::Int(number) => Kind::Int(number),
            Token::Uint(number) => Kind::Uint(number),
            Token::Double(number) => Kind::Double(number),
            Token::Text(text) => Kind::Text(text),
            Token::MinMagnitude => return self.error(at, "this number is too large"),
            Token::Sign(sign) => {
                return self.error(at, format!("a value is missing before `{sign}`"));
            }
            Token::Name(name) => match name.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "null" => Kind::Null,
                _ if self.take("(") => return self.function(at, &name),
                _ => self.variable(at, name)?,
            },
        };
        self.node(at, kind, 0)
    }

    fn variable(&self, at: usize, name: String) -> Result<Kind> {
        if self.variables.contains(&name) {
            return Ok(Kind::Variable(name));
        }
        let problem = if RESERVED.contains(&name.as_str()) || name == "in" {
            format!("`{name}` is a reserved word")
        } else {
            format!("there is no variable `{name}`")
        };
        let known = self.variables.iter().map(String::as_str);
        let hint = match nearest(&name, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the variables are {}", self.variables.join(", ")),
        };
        let at = position(self.text, at);
        Err(ExpressionError::Syntax { at, problem, hint: Some(Hint::new(hint)) })
    }

    /// Expressions up to the closing sign; a comma may stand before it.
    fn list(&mut self, close: &str) -> Result<Vec<Node>> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.expression()?);
            if !self.take(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn map(&mut self, at: usize) -> Result<Node> {
        let mut entries = Vec::new();
        while !self.take("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        let depth = entries.iter().map(|(k, v)| k.depth.max(v.depth)).max().unwrap_or(0);
        self.node(at, Kind::Map(entries), depth)
    }

    /// A function without a receiver; the opening bracket is taken.
    fn function(&mut self, at: usize, name: &str) -> Result<Node> {
        let arguments = self.list(")")?;
        if name != "has" {
            return self.call(at, name, arguments, false);
        }
        match <[Node; 1]>::try_from(arguments) {
            Ok([Node { kind: Kind::Select(of, field), .. }]) => {
                let depth = of.depth;
                self.node(at, Kind::Has(of, field), depth)
            }
            _ => self.error(at, "`has` takes one field, as in `has(self.status)`"),
        }
    }

    /// A method or a macro; the opening bracket is taken.
    fn method(&mut self, at: usize, name: &str, receiver: Node) -> Result<Node> {
        let Some((_, name, counts)) = MACROS.iter().find(|(known, ..)| *known == name) else {
            let mut arguments = self.list(")")?;
            arguments.insert(0, receiver);
            return self.call(at, name, arguments, true);
        };
        let variable = self.name()?;
        self.expect(",")?;
        self.variables.push(variable.clone());
        let bodies = self.list(")");
        self.variables.pop();
        let bodies = bodies?;
        if !counts.contains(&(bodies.len() + 1)) {
            return self.error(at, "this macro takes a variable and one expression");
        }
        let below = bodies.iter().map(|node| node.depth).max().unwrap_or(0).max(receiver.depth);
        let list = Box::new(receiver);
        self.node(at, Kind::Macro { name: *name, list, variable, bodies }, below)
    }

    fn call(&self, at: usize, name: &str, arguments: Vec<Node>, method: bool) -> Result<Node> {
        let named: Vec<_> = functions::FUNCTIONS.iter().filter(|f| f.name == name).collect();
        let fits = |f: &&&functions::Function| {
            f.arguments == arguments.len() && (method && f.method || !method && f.global)
        };
        if let Some(function) = named.iter().find(fits) {
            let depth = arguments.iter().map(|node| node.depth).max().unwrap_or(0);
            return self.node(at, Kind::Call(function, arguments), depth);
        }
        let problem = if named.is_empty() {
            format!("the function `{name}` is not supported")
        } else {
            format!("`{name}` is not called like this")
        };
        let names = functions::FUNCTIONS.iter().map(|f| f.name);
        let macros = MACROS.iter().map(|(name, ..)| *name);
        let meant = nearest(name, names.chain(macros).chain(["has"]));
        let hint = meant.filter(|_| named.is_empty());
        let hint = hint.map(|meant| Hint::new(format!("did you mean `{meant}`?")));
        Err(ExpressionError::Syntax { at: position(self.text, at), problem, hint })
    }
}
