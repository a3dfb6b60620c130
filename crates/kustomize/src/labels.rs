//! Label selectors as Kubernetes writes them: `a=b,c!=d,e in (f,g),h notin (i),j,!k`, `n>1`, `n<2`.

/// Requirements in one selector.
pub(crate) const REQUIREMENTS_MAX: usize = 1_000;

/// A parsed selector; the empty one matches everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Selector {
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (requirement, behind) =
                requirement(rest).ok_or_else(|| format!("`{text}` is not a selector of labels"))?;
            requirements.push(requirement);
            if requirements.len() > REQUIREMENTS_MAX {
                return Err(format!("a selector has more than {REQUIREMENTS_MAX} requirements"));
            }
            let behind = behind.trim_start();
            rest = match behind.strip_prefix(',') {
                Some(more) if !more.trim().is_empty() => more.trim_start(),
                None if behind.is_empty() => "",
                _ => return Err(format!("`{text}` is not a selector of labels")),
            };
        }
        Ok(Self(requirements))
    }

    /// Whether the labels satisfy every requirement.
    pub(crate) fn matches(&self, labels: &[(&str, &str)]) -> bool {
        self.0.iter().all(|requirement| {
            let found = labels.iter().find(|(key, _)| *key == requirement.key);
            let value = found.map(|(_, value)| *value);
            let number = value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|v| values.iter().any(|own| own == v)),
                Test::NotIn(values) => value.is_none_or(|v| values.iter().all(|own| own != v)),
                Test::Above(limit) => number.is_some_and(|number| number > *limit),
                Test::Below(limit) => number.is_some_and(|number| number < *limit),
            }
        })
    }
}

fn requirement(text: &str) -> Option<(Requirement, &str)> {
    if let Some(rest) = text.strip_prefix('!') {
        let (key, rest) = word(rest.trim_start())?;
        return Some((Requirement { key, test: Test::Absent }, rest));
    }
    let (key, rest) = word(text)?;
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(',') {
        return Some((Requirement { key, test: Test::Exists }, rest));
    }
    for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some(rest) = rest.strip_prefix(sign) {
            let (value, rest) = word(rest.trim_start()).unwrap_or((String::new(), rest));
            let test = if negated { Test::NotIn(vec![value]) } else { Test::In(vec![value]) };
            return Some((Requirement { key, test }, rest));
        }
    }
    for (sign, above) in [(">", true), ("<", false)] {
        if let Some(rest) = rest.strip_prefix(sign) {
            let (value, rest) = word(rest.trim_start())?;
            let limit = value.parse().ok()?;
            let test = if above { Test::Above(limit) } else { Test::Below(limit) };
            return Some((Requirement { key, test }, rest));
        }
    }
    let (operator, rest) = word(rest)?;
    let (inside, rest) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    let values: Vec<String> = inside.split(',').map(|value| value.trim().to_owned()).collect();
    let test = match operator.as_str() {
        "in" => Test::In(values),
        "notin" => Test::NotIn(values),
        _ => return None,
    };
    Some((Requirement { key, test }, rest))
}

/// A key or a value.
fn word(text: &str) -> Option<(String, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (word, rest) = (text.get(..end)?, text.get(end..)?);
    (!word.is_empty()).then(|| (word.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_they_do_in_kubernetes() {
        let labels = [("app", "web"), ("tier", "front"), ("size", "3")];
        for (text, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("app=web,tier==front", true),
            ("app != web", false),
            ("none!=x", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("size>2,size<4", true),
            ("app=", false),
        ] {
            assert_eq!(Selector::parse(text).unwrap().matches(&labels), expected, "{text}");
        }
        for text in ["=a", "app,", "app in web", "a b", "app in (a"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
