//! A pattern of one's own: each named group that took part in the match is a field.
//!
//! The pattern is searched anywhere in the line (`^` and `$` anchor it) in linear time. A group's
//! name has its role as any field's has: `(?P<level>\w+)` is the severity. Where lines of a group
//! lie before or behind the match, as `.` does not reach them, the body is all of them.

use super::Parser;
use crate::draft::Draft;

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "regex", about: "the named groups of a pattern of your own", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let (options, line) = (draft.options, draft.line);
    let pattern = options.pattern.as_ref()?;
    let found = pattern.captures(line)?;
    for (name, group) in pattern.capture_names().zip(found.iter()) {
        if let (Some(name), Some(group)) = (name, group) {
            draft.constant(name, draft.text(group.start(), group.end()));
        }
    }
    let reached = found.get(0)?.range();
    let has_lines = |part: Option<&str>| part.is_some_and(|part| part.contains('\n'));
    if has_lines(line.get(..reached.start)) || has_lines(line.get(reached.end..)) {
        draft.keep_line();
    }
    Some(())
}
