//! Health of objects by the rules of a GitSync, on top of those of [`objects::health`].
//!
//! A rule replaces the built-in one of its kind. Two things hold for every rule: an object that is
//! being deleted is progressing, and a status that speaks of an older generation is never healthy.
//! A field that is not there yet makes an expression false; any other error makes the health
//! unknown and says so. No rule may put the contents of a Secret into a message.

use crate::expression::{Expression, ExpressionError};
use crate::spec::{HealthRule, SpecProblem};
use objects::health::{Health, HealthStatus, assess};
use objects::{GroupKind, Object, mask};
use serde_json::Value;

/// The variable of a rule: the live object.
pub const OBJECT_VARIABLE: &str = "self";
/// Bytes of a message that a rule makes.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// The compiled rules of one GitSync.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthRules(Vec<Rule>);

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    kind: GroupKind,
    /// In the order in which they are asked.
    verdicts: Vec<(HealthStatus, Expression)>,
    message: Option<Expression>,
}

impl HealthRules {
    /// Compiles the rules of a spec; of two rules for one kind the first counts.
    ///
    /// # Errors
    /// Everything that is wrong with them; fields are named from `spec.health` on.
    pub fn compile(rules: &[HealthRule]) -> Result<Self, Vec<SpecProblem>> {
        let (mut compiled, mut problems) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            let mut compile = |field: &str, text: Option<&String>| {
                let field = format!("spec.health[{index}].{field}");
                expression(&field, text?, &[OBJECT_VARIABLE], &mut problems)
            };
            let verdicts = [
                (HealthStatus::Degraded, compile("degraded", rule.degraded.as_ref())),
                (HealthStatus::Progressing, compile("progressing", rule.progressing.as_ref())),
                (HealthStatus::Healthy, compile("healthy", rule.healthy.as_ref())),
            ];
            let message = compile("message", rule.message.as_ref());
            let kind = GroupKind::new(rule.group.clone(), rule.kind.clone()).canonical();
            if message.is_some() && mask::is_secret(&kind) {
                let field = format!("spec.health[{index}].message");
                problems.push(SpecProblem::new(field, "could show the contents of a Secret"));
            }
            let verdicts = verdicts.into_iter().filter_map(|(s, e)| Some((s, e?))).collect();
            compiled.push(Rule { kind, verdicts, message });
        }
        if problems.is_empty() { Ok(Self(compiled)) } else { Err(problems) }
    }

    /// The health of a live object, by the first rule of its kind or by the built-in one.
    #[must_use]
    pub fn assess(&self, object: &Object) -> Health {
        let kind = object.gvk().group_kind().canonical();
        match self.0.iter().find(|rule| rule.kind == kind) {
            Some(rule) if !object.is_terminating() => rule.assess(object),
            _ => assess(object),
        }
    }
}

impl Rule {
    fn assess(&self, object: &Object) -> Health {
        let document = object.clone().into_value();
        let variables = [(OBJECT_VARIABLE, &document)];
        let mut verdict = HealthStatus::Progressing;
        for (status, expression) in &self.verdicts {
            match expression.holds(&variables) {
                Ok(true) => {
                    verdict = *status;
                    break;
                }
                Ok(false) | Err(ExpressionError::NoSuchKey { .. }) => {}
                Err(error) => {
                    let message = format!("the rule for {status} cannot be evaluated: {error}");
                    return Health::new(HealthStatus::Unknown, message);
                }
            }
        }
        let text = self.message.as_ref().and_then(|message| message.text(&variables).ok());
        let mut text = text.unwrap_or_default();
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
        if verdict == HealthStatus::Healthy && is_stale(object) {
            let message = "the controller has not seen the newest generation";
            return Health::new(HealthStatus::Progressing, message);
        }
        Health::new(verdict, text)
    }
}

/// Whether the status says itself that it speaks of an older generation.
fn is_stale(object: &Object) -> bool {
    let observed = object.at(&["status", "observedGeneration"]).and_then(Value::as_i64);
    observed.is_some_and(|observed| object.generation().is_some_and(|newest| newest > observed))
}

/// Compiles an expression of a spec, or says what is wrong with it.
pub(crate) fn expression(
    field: &str,
    text: &str,
    variables: &[&str],
    problems: &mut Vec<SpecProblem>,
) -> Option<Expression> {
    match Expression::compile(text, variables) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let hint = model::Explain::hint(&error);
            let problem = SpecProblem::new(field, format!("is no expression: {error}"));
            problems.push(SpecProblem { hint, ..problem });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule() -> HealthRule {
        HealthRule {
            group: "db.example".into(),
            kind: "Database".into(),
            degraded: Some("self.status.phase == 'Failed'".into()),
            progressing: None,
            healthy: Some("self.status.replicas >= self.spec.replicas".into()),
            message: Some("'phase ' + self.status.phase".into()),
        }
    }

    fn database(status: &Value, generation: i64) -> Object {
        Object::from_value(json!({
            "apiVersion": "db.example/v1", "kind": "Database",
            "metadata": {"name": "a", "generation": generation},
            "spec": {"replicas": 2}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn gitops_12_a_rule_decides_about_its_kind_and_a_missing_field_is_not_there_yet() {
        let rules = HealthRules::compile(&[rule()]).unwrap();
        let status = |status: &Value| rules.assess(&database(status, 1)).status;
        assert_eq!(status(&json!({})), HealthStatus::Progressing);
        assert_eq!(status(&json!({"replicas": 1, "phase": "Up"})), HealthStatus::Progressing);
        assert_eq!(status(&json!({"replicas": 2, "phase": "Up"})), HealthStatus::Healthy);
        assert_eq!(status(&json!({"replicas": 2, "phase": "Failed"})), HealthStatus::Degraded);
        assert_eq!(status(&json!({"replicas": "2", "phase": "Up"})), HealthStatus::Unknown);
        let health = rules.assess(&database(&json!({"replicas": 2, "phase": "Up"}), 1));
        assert_eq!(health.message, "phase Up");
        let other = HealthRules::default().assess(&database(&json!({}), 1));
        assert_eq!(other, assess(&database(&json!({}), 1)));
    }

    #[test]
    fn gitops_12_a_stale_status_and_a_deletion_are_never_healthy() {
        let rules = HealthRules::compile(&[rule()]).unwrap();
        let status = json!({"replicas": 2, "phase": "Up", "observedGeneration": 1});
        assert_eq!(rules.assess(&database(&status, 1)).status, HealthStatus::Healthy);
        assert_eq!(rules.assess(&database(&status, 2)).status, HealthStatus::Progressing);
        let mut going = database(&status, 1);
        going.metadata_mut().insert("deletionTimestamp".into(), json!("2026-11-25T12:00:00Z"));
        assert_eq!(rules.assess(&going).status, HealthStatus::Progressing);
    }

    #[test]
    fn gitops_13_a_rule_cannot_show_the_contents_of_a_secret() {
        let secret = HealthRule { group: String::new(), kind: "Secret".into(), ..rule() };
        let problems = HealthRules::compile(&[secret]).unwrap_err();
        assert_eq!(problems[0].field, "spec.health[0].message");
    }

    #[test]
    fn a_mistake_in_a_rule_is_told_with_field_and_place() {
        let typed = HealthRule { healthy: Some("slef.status".into()), ..rule() };
        let problems = HealthRules::compile(&[rule(), typed]).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "`spec.health[1].healthy` is no expression: 1:1: there is no variable `slef`"
        );
        assert_eq!(problems[0].hint.as_ref().unwrap().as_str(), "did you mean `self`?");
    }
}
