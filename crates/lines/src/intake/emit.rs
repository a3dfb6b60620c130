//! The second half of an intake: a whole text becomes (a part of) a record.

use super::{Intake, Line};
use crate::draft::Draft;
use crate::multiline::{self, Multiline, Verdict, speaks_of_error};
use crate::options::{Body, Options};
use crate::parsers::Parser;
use crate::plan::Plan;
use crate::record::{Field, Flags, Piece, Record, Records, Span, Value};
use crate::redact::Redaction;
use crate::state::Group;
use crate::texts::Texts;
use crate::window::Clean;

impl Intake {
    /// Decodes a text that was joined; it is a record, or a line of a group.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    pub(super) fn whole(
        &mut self,
        plan: &Plan,
        group: &mut Group,
        line: &mut Line<'_>,
        out: &mut Records,
    ) {
        let known = line.clean.filter(|_| plan.encoding.is_utf8()).map(Clean::text);
        match known.or_else(|| plan.encoding.as_text(line.bytes)) {
            Some(text) if line.lost == 0 => {
                self.decoded(plan, group, (text, line.bytes.len() as u64), line, out);
            }
            _ => self.odd(plan, group, line, out),
        }
    }

    /// The same for a text that was cut or is not UTF-8 already.
    #[inline(never)]
    fn odd(&mut self, plan: &Plan, group: &mut Group, line: &mut Line<'_>, out: &mut Records) {
        line.clean = None;
        let cut = line.lost > 0;
        // The length is that of the bytes, whatever they say.
        let length = line.bytes.len() as u64 + line.lost;
        let mut buffer = std::mem::take(&mut self.scratch.line);
        let (text, repaired) = plan.encoding.decode(line.bytes, cut, &mut buffer);
        if repaired {
            line.flags.set(Flags::REPAIRED);
        }
        if cut {
            line.flags.set(Flags::TRUNCATED);
            self.counters.truncated += 1;
            self.counters.truncated_bytes += line.lost;
        }
        self.decoded(plan, group, (text, length), line, out);
        self.scratch.line = buffer;
    }

    /// A text is a record, or a line of a group.
    #[inline]
    fn decoded(
        &mut self,
        plan: &Plan,
        group: &mut Group,
        (mut text, length): (&str, u64),
        line: &Line<'_>,
        out: &mut Records,
    ) {
        let partial = line.flags.has(Flags::PARTIAL);
        if line.clean.is_none() && !partial && !line.flags.has(Flags::TRUNCATED) {
            text = text.strip_suffix('\r').unwrap_or(text);
        }
        if text.is_empty() && (plan.skip_empty_lines || partial) {
            self.counters.empty += 1;
        } else if let Some(multiline) = &plan.multiline {
            self.grouped(plan, multiline, group, (text, length, line), out);
        } else {
            self.emit(plan, (text, length), line, out);
        }
    }

    /// A line of a group: it closes the open one, or goes on with it.
    #[inline(never)]
    fn grouped(
        &mut self,
        plan: &Plan,
        multiline: &Multiline,
        group: &mut Group,
        (text, length, line): (&str, u64, &Line<'_>),
        out: &mut Records,
    ) {
        let open = group.pieces.current.is_some();
        let late = group.since.max(group.excused).saturating_add(multiline.pause) <= line.now;
        if open && late {
            self.close_group(plan, group, Flags::default(), out);
        }
        let trace = group.pieces.current.is_some().then_some(group.trace);
        let is_lone = group.lines == 1 && group.trace.state == 0 && !multiline.presets.is_empty();
        let mut verdict = multiline.judge(trace, is_lone, text);
        if is_lone && matches!(verdict.0, Verdict::Continues(_)) {
            // The line before is looked at only where it makes a difference.
            let alone = multiline.judge(trace, false, text);
            if alone != verdict && !self.speaks_of_error(plan, &group.text, out) {
                verdict = alone;
            }
        }
        let before = group.trace;
        if matches!(verdict.0, Verdict::Starts(_)) {
            self.close_group(plan, group, Flags::default(), out);
        } else {
            let bytes = group.text.len() + text.len();
            let full = bytes >= plan.line_bytes_max || group.lines >= multiline.lines_max;
            if full || group.pieces.is_full() {
                self.close_group(plan, group, Flags::PARTIAL, out);
            }
        }
        group.trace = before.after(verdict, group.lines == 0);
        if group.lines == 0 {
            group.time = line.time;
            group.flags = line.flags;
        } else {
            group.text.push('\n');
            group.original += 1;
            group.flags.set(line.flags | Flags::MULTILINE);
        }
        group.text.push_str(text);
        group.original += length;
        group.lines += 1;
        group.since = line.now;
        line.earlier.iter().for_each(|earlier| group.pieces.add(*earlier));
        group.pieces.add(line.piece);
    }

    /// Whether the one line of a group speaks of an error.
    #[cold]
    fn speaks_of_error(&mut self, plan: &Plan, text: &str, out: &mut Records) -> bool {
        let out = &mut out.texts;
        let (mark, line) = (out.mark(), out.push_text(text));
        let mut record = Record { body: line, line, ..Record::default() };
        self.parse_apart(plan, &plan.options, (text, None), &mut record, out);
        out.rewind(mark);
        speaks_of_error(record.severity, record.status, text)
    }

    /// Emits the open group, when there is one.
    pub(super) fn close_group(
        &mut self,
        plan: &Plan,
        group: &mut Group,
        flags: Flags,
        out: &mut Records,
    ) {
        if group.pieces.current.is_none() {
            return;
        }
        let text = std::mem::take(&mut group.text);
        let pieces = std::mem::take(&mut group.pieces);
        let flags = group.flags | flags;
        let line = Line {
            time: group.time,
            now: group.since,
            flags,
            piece: pieces.current.unwrap_or_default(),
            earlier: &pieces.earlier,
            ..Line::default()
        };
        self.counters.multiline += u64::from(flags.has(Flags::MULTILINE));
        self.emit(plan, (text.trim_end_matches('\n'), group.original), &line, out);
        if let Some(record) = out.records_mut().last_mut()
            && group.trace.is_bare(record.severity)
        {
            record.severity = multiline::SEVERITY;
            record.severity_text = Span::default();
        }
        group.reset(text);
    }

    /// Writes a record: its text, what the parsers find in it, and nothing that is secret.
    #[inline(never)]
    fn emit(
        &mut self,
        plan: &Plan,
        (text, original_len): (&str, u64),
        line: &Line<'_>,
        out: &mut Records,
    ) {
        let (span, ended) = match line.place() {
            Some(span) => (span, true),
            None => out.texts.push_line(text),
        };
        let record = Record {
            body: span,
            line: span,
            time: line.time,
            observed: line.now,
            start: line.piece.start,
            end: line.piece.end,
            original_len,
            source: line.piece.source,
            flags: line.flags,
            ended,
            ..Record::default()
        };
        out.write(record, |out, record| {
            let text = (text, line.clean.as_ref());
            if let Some(redaction) = &plan.redaction {
                self.parse_redacted(plan, redaction, text, record, out);
            } else if !plan.parsers.is_empty() {
                self.parse(plan, &plan.options, text, record, out);
            }
            if !line.earlier.is_empty() {
                join(line.earlier, record, out);
            }
            self.count(record.flags);
        });
    }

    /// [`Intake::parse`], and what is secret is replaced.
    #[inline(never)]
    fn parse_redacted(
        &mut self,
        plan: &Plan,
        redaction: &Redaction,
        text: (&str, Option<&Clean<'_>>),
        record: &mut Record,
        out: &mut Texts,
    ) {
        let given_up = match &plan.all {
            Some(all) => self.given_up(plan, all, text, record, out),
            None => Vec::new(),
        };
        if !plan.parsers.is_empty() {
            self.parse_apart(plan, &plan.options, text, record, out);
        }
        if redaction.apply(out, record, self.scratch.message, &given_up) {
            record.flags.set(Flags::REDACTED);
            // What replaces a secret may be anything.
            (record.plain, record.ended) = (false, false);
        }
    }

    /// All fields of a line and its message, as far as they lie in it: what its record will not
    /// have lies in a body that is the line.
    #[cold]
    fn given_up(
        &mut self,
        plan: &Plan,
        all: &Options,
        text: (&str, Option<&Clean<'_>>),
        record: &Record,
        out: &mut Texts,
    ) -> Vec<Field> {
        let (mark, mut whole) = (out.mark(), *record);
        // What names are for under these options is true for them alone.
        self.scratch.expected.follow(0);
        self.parse_apart(plan, all, text, &mut whole, out);
        self.scratch.expected.follow(plan.number);
        let mut fields = out.unfinished_fields().to_vec();
        if whole.body != whole.line {
            fields.push(Field { key: self.scratch.message, value: Value::Str(whole.body) });
        }
        out.rewind(mark);
        fields
    }

    /// [`Intake::parse`] where it need not be fast.
    #[inline(never)]
    fn parse_apart(
        &mut self,
        plan: &Plan,
        options: &Options,
        text: (&str, Option<&Clean<'_>>),
        record: &mut Record,
        out: &mut Texts,
    ) {
        self.parse(plan, options, text, record, out);
    }

    /// The first parser that fits fills the record. One that does not fit several lines is given
    /// the first of them.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    fn parse(
        &mut self,
        plan: &Plan,
        options: &Options,
        text: (&str, Option<&Clean<'_>>),
        record: &mut Record,
        out: &mut Texts,
    ) {
        let (mark, time) = (out.mark(), record.time);
        for parser in &plan.parsers {
            let mut draft =
                Draft::new(text, record, options, out, (&mut self.scratch, &mut self.index));
            if (parser.parse)(&mut draft).is_some() {
                if options.body == Body::Line || record.flags.has(Flags::FIELDS_CUT) {
                    record.body = record.line;
                }
                return;
            }
            out.rewind(mark);
            record.forget_parsed();
            record.time = time;
            if record.flags.has(Flags::MULTILINE) {
                if self.parse_first(*parser, options, text.0, record, out) {
                    return;
                }
                out.rewind(mark);
                record.forget_parsed();
                record.time = time;
            }
        }
        record.flags.set(Flags::UNPARSED);
    }

    /// The parser fills the record with what the first of several lines says, of which the body
    /// has all. Whether it fits.
    #[cold]
    fn parse_first(
        &mut self,
        parser: Parser,
        options: &Options,
        text: &str,
        record: &mut Record,
        out: &mut Texts,
    ) -> bool {
        let memory = (&mut self.scratch, &mut self.index);
        let mut draft = Draft::new((text, None), record, options, out, memory);
        let Some((first, _)) = draft.line.split_once('\n') else { return false };
        draft.line = first;
        if (parser.parse)(&mut draft).is_none() {
            return false;
        }
        draft.keep_line();
        // There may be anything in the others.
        record.plain = false;
        true
    }

    #[inline]
    fn count(&mut self, flags: Flags) {
        self.counters.records += 1;
        if flags != Flags::default() {
            self.count_special(flags);
        }
    }

    #[inline(never)]
    fn count_special(&mut self, flags: Flags) {
        let counters = &mut self.counters;
        counters.unparsed += u64::from(flags.has(Flags::UNPARSED));
        counters.malformed += u64::from(flags.has(Flags::MALFORMED));
        counters.repaired += u64::from(flags.has(Flags::REPAIRED));
        counters.partial += u64::from(flags.has(Flags::PARTIAL));
        counters.fields_cut += u64::from(flags.has(Flags::FIELDS_CUT));
        counters.redacted += u64::from(flags.has(Flags::REDACTED));
    }
}

/// A record has pieces in earlier files.
#[cold]
fn join(earlier: &[Piece], record: &mut Record, out: &mut Texts) {
    record.flags.set(Flags::JOINED);
    for earlier in earlier {
        out.push_join(record.line, *earlier);
    }
}
