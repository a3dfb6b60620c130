//! What a running delivery shows on stderr: on a terminal the finished objects with one live line
//! under them, elsewhere one line per event. Data never goes here, and nothing here is data.

use crate::terminal::{self, Painter, Style};
use delivery::{Event, Progress};
use objects::health::HealthStatus;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use sync::Action;

/// Columns of the word in front of an object.
const VERB_COLUMNS: usize = 9;
/// Back to the first column and clear the line.
const CLEAR_LINE: &str = "\r\u{1b}[2K";

/// Draws the events of one delivery.
pub(crate) struct Console {
    painter: Painter,
    live: bool,
    columns: usize,
    write: fn(&str),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: usize,
    finished: usize,
    under_way: Vec<String>,
    waiting: BTreeMap<String, String>,
    shows_line: bool,
}

impl Console {
    /// Writes to stderr; `live` when that is a terminal that can move its cursor.
    pub(crate) fn new(painter: Painter, live: bool, columns: usize) -> Self {
        Self { painter, live, columns, write: terminal::print_error, state: Mutex::default() }
    }

    /// Takes the live line away; what follows on stderr begins at the first column.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        if state.shows_line {
            (self.write)(CLEAR_LINE);
            state.shows_line = false;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that an event adds: a lasting line, or nothing.
    fn lasting(&self, event: &Event) -> Option<String> {
        let line = |style, verb: &str, rest: &str| {
            let verb = self.painter.paint(style, &format!("{verb:<VERB_COLUMNS$}"));
            Some(format!("{verb} {}", one_line(rest)))
        };
        match event {
            Event::Loaded { source, objects, .. } => {
                line(Style::Dim, "loaded", &format!("{objects} objects from {source}"))
            }
            Event::Planned { summary } => line(Style::Dim, "planned", &summary.to_string()),
            Event::Done { action: Some(action), object } => {
                let (style, verb) = done(*action);
                line(style, verb, &object.to_string())
            }
            Event::Failed { object, held, reason } => {
                let verb = if *held { "held" } else { "failed" };
                line(Style::Bad, verb, &format!("{object}: {reason}"))
            }
            Event::WaitingReady { object } if !self.live => {
                line(Style::Dim, "waiting", &format!("for {object}"))
            }
            Event::Health { object, health, pending } if !self.live => {
                let message = match health.message.as_str() {
                    "" => String::new(),
                    message => format!(": {message}"),
                };
                let rest = format!("{object} is {}{message} ({pending} to go)", health.status);
                line(health_style(health.status), "health", &rest)
            }
            Event::Stopping { in_flight } => line(
                Style::Warn,
                "stopping",
                &format!("{in_flight} under way are finished first; Ctrl-C again stops at once"),
            ),
            _ => None,
        }
    }
}

impl Progress for Console {
    fn event(&self, event: &Event) {
        let lasting = self.lasting(event);
        let mut state = self.lock();
        state.follow(event);
        let mut text = String::new();
        if state.shows_line {
            text.push_str(CLEAR_LINE);
            state.shows_line = false;
        }
        if let Some(line) = lasting {
            text.push_str(&line);
            text.push('\n');
        }
        if self.live {
            let line = state.line(event);
            if !line.is_empty() {
                let room = self.columns.saturating_sub(1);
                text.extend(one_line(&line).chars().take(room));
                state.shows_line = true;
            }
        }
        if !text.is_empty() {
            (self.write)(&text);
        }
    }
}

impl State {
    /// Counts and remembers; the live line is drawn from this.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Planned { summary } => self.total = summary.changes(),
            Event::Started { object, .. } => self.under_way.push(object.to_string()),
            Event::Done { object, .. } | Event::Failed { object, .. } => {
                let name = object.to_string();
                self.under_way.retain(|other| *other != name);
                self.waiting.remove(&name);
                self.finished += 1;
            }
            Event::WaitingReady { object } => {
                self.waiting.insert(object.to_string(), "until it is ready".to_owned());
            }
            Event::Health { object, health, pending } => {
                let name = object.to_string();
                if health.status <= HealthStatus::Suspended {
                    self.waiting.remove(&name);
                } else {
                    self.waiting.insert(name, format!("{}: {}", health.status, health.message));
                }
                if *pending == 0 {
                    self.waiting.clear();
                }
            }
            _ => {}
        }
    }

    /// The live line after an event.
    fn line(&self, event: &Event) -> String {
        if let Event::Observed { compared, of } = event {
            return format!("comparing {compared}/{of}");
        }
        let mut parts = Vec::new();
        if self.finished < self.total {
            parts.push(format!("applying {}/{}", self.finished, self.total));
            if let Some(first) = self.under_way.first() {
                parts.push(first.clone());
            }
        }
        if let Some((name, why)) = self.waiting.first_key_value() {
            parts.push(format!("waiting for {}", self.waiting.len()));
            parts.push(format!("{name} {why}"));
        }
        parts.join(" · ")
    }
}

fn done(action: Action) -> (Style, &'static str) {
    match action {
        Action::Create => (Style::Good, "created"),
        Action::Update => (Style::Warn, "updated"),
        Action::Takeover => (Style::Warn, "taken"),
        Action::Recreate => (Style::Warn, "remade"),
        Action::Hook => (Style::Good, "ran"),
        Action::Prune => (Style::Bad, "deleted"),
        Action::HandOver => (Style::Dim, "released"),
        _ => (Style::Dim, "kept"),
    }
}

/// The colour of a health status.
pub(crate) fn health_style(status: HealthStatus) -> Style {
    match status {
        HealthStatus::Healthy => Style::Good,
        HealthStatus::Suspended => Style::Dim,
        HealthStatus::Progressing => Style::Warn,
        _ => Style::Bad,
    }
}

/// Text of others in one line, without what could move the cursor.
fn one_line(text: &str) -> String {
    terminal::printable(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{collected, host, keep, painter};
    use expect_test::expect;
    use objects::health::Health;
    use objects::{GroupKind, ObjectRef};
    use sync::Summary;

    fn web() -> ObjectRef {
        ObjectRef::new(GroupKind::new("apps", "Deployment"), "shop", "web")
    }

    fn events() -> Vec<Event> {
        let summary = Summary { create: 2, unchanged: 7, ..Summary::default() };
        let health = |status, message: &str| Health { status, message: message.to_owned() };
        let config = ObjectRef::new(GroupKind::new("", "ConfigMap"), "shop", "a");
        vec![
            Event::Observed { compared: 3, of: 9 },
            Event::Planned { summary },
            Event::Started { action: Action::Create, object: web() },
            Event::Done { action: Some(Action::Create), object: web() },
            Event::Failed { object: config, held: false, reason: "no\u{1b}[2J\nway".to_owned() },
            Event::Health {
                object: web(),
                health: health(HealthStatus::Progressing, "1 of 2 replicas"),
                pending: 1,
            },
            Event::Health { object: web(), health: health(HealthStatus::Healthy, ""), pending: 0 },
        ]
    }

    fn draw(live: bool) -> String {
        let console = Console { write: keep, ..Console::new(painter(&host(&[])), live, 60) };
        for event in events() {
            console.event(&event);
        }
        console.finish();
        collected().replace('\u{1b}', "^").replace('\r', "<")
    }

    #[test]
    fn without_a_terminal_each_event_is_a_line() {
        expect![[r"
            planned   2 to create, 7 unchanged
            created   Deployment.apps shop/web
            failed    ConfigMap shop/a: no�[2J way
            health    Deployment.apps shop/web is Progressing: 1 of 2 replicas (1 to go)
            health    Deployment.apps shop/web is Healthy (0 to go)
        "]]
        .assert_eq(&draw(false));
    }

    #[test]
    fn on_a_terminal_one_live_line_is_rewritten_and_taken_away_at_the_end() {
        expect![[r"
            comparing 3/9<^[2Kplanned   2 to create, 7 unchanged
            applying 0/2<^[2Kapplying 0/2 · Deployment.apps shop/web<^[2Kcreated   Deployment.apps shop/web
            applying 1/2<^[2Kfailed    ConfigMap shop/a: no�[2J way
            waiting for 1 · Deployment.apps shop/web Progressing: 1 of <^[2K"]]
        .assert_eq(&draw(true));
    }
}
