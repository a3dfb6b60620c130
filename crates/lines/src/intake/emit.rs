//! The second half of an intake: a whole text becomes (a part of) a record.

use super::{Intake, Meta};
use crate::draft::Draft;
use crate::multiline::{Multiline, Trace, Verdict};
use crate::options::Body;
use crate::plan::Plan;
use crate::record::{Flags, Record, Records};
use crate::state::{Group, Pieces};

impl Intake {
    /// Decodes a text that was joined; it is a record, or a line of a group.
    #[inline]
    pub(super) fn whole(
        &mut self,
        plan: &Plan,
        group: &mut Group,
        whole: (&[u8], Meta, &Pieces),
        out: &mut Records,
    ) {
        let (bytes, meta, pieces) = whole;
        match plan.encoding.as_text(bytes) {
            Some(text) if meta.lost == 0 => {
                let length = bytes.len() as u64;
                self.decoded(plan, group, (text, meta, length, pieces), out);
            }
            _ => self.odd(plan, group, whole, out),
        }
    }

    /// The same for a text that was cut or is not UTF-8 already.
    #[inline(never)]
    fn odd(
        &mut self,
        plan: &Plan,
        group: &mut Group,
        whole: (&[u8], Meta, &Pieces),
        out: &mut Records,
    ) {
        let (bytes, mut meta, pieces) = whole;
        let cut = meta.lost > 0;
        // The length is that of the bytes, whatever they say.
        let length = bytes.len() as u64 + meta.lost;
        let mut buffer = std::mem::take(&mut self.scratch.line);
        let (text, repaired) = plan.encoding.decode(bytes, cut, &mut buffer);
        if repaired {
            meta.flags.set(Flags::REPAIRED);
        }
        if cut {
            meta.flags.set(Flags::TRUNCATED);
            self.counters.truncated += 1;
            self.counters.truncated_bytes += meta.lost;
        }
        self.decoded(plan, group, (text, meta, length, pieces), out);
        self.scratch.line = buffer;
    }

    /// A text is a record, or a line of a group.
    #[inline]
    fn decoded(
        &mut self,
        plan: &Plan,
        group: &mut Group,
        whole: (&str, Meta, u64, &Pieces),
        out: &mut Records,
    ) {
        let (mut text, meta, length, pieces) = whole;
        let partial = meta.flags.has(Flags::PARTIAL);
        if !partial && !meta.flags.has(Flags::TRUNCATED) {
            text = text.strip_suffix('\r').unwrap_or(text);
        }
        if text.is_empty() && (plan.skip_empty_lines || partial) {
            self.counters.empty += 1;
        } else if let Some(multiline) = &plan.multiline {
            self.grouped(plan, multiline, group, (text, meta, length, pieces), out);
        } else {
            self.emit(plan, (text, meta, length, pieces), out);
        }
    }

    /// A line of a group: it closes the open one, or goes on with it.
    #[inline(never)]
    fn grouped(
        &mut self,
        plan: &Plan,
        multiline: &Multiline,
        group: &mut Group,
        line: (&str, Meta, u64, &Pieces),
        out: &mut Records,
    ) {
        let (text, meta, length, pieces) = line;
        let open = group.pieces.current.is_some();
        let late = group.since.max(group.excused).saturating_add(multiline.pause) <= meta.now;
        if open && late {
            self.close_group(plan, group, Flags::default(), out);
        }
        let trace = group.pieces.current.is_some().then_some(&group.trace);
        let verdict = multiline.judge(trace, text);
        if matches!(verdict.0, Verdict::Starts(_)) {
            self.close_group(plan, group, Flags::default(), out);
        } else {
            let bytes = group.text.len() + text.len();
            let full = bytes >= plan.line_bytes_max || group.lines >= multiline.lines_max;
            if full || group.pieces.is_full() {
                self.close_group(plan, group, Flags::PARTIAL, out);
            }
        }
        if group.lines == 0 {
            group.time = meta.time;
            group.flags = meta.flags;
        } else {
            group.text.push('\n');
            group.original += 1;
            group.flags.set(meta.flags | Flags::MULTILINE);
        }
        group.text.push_str(text);
        group.original += length;
        group.lines += 1;
        group.since = meta.now;
        group.trace = Trace::after(verdict, text);
        group.pieces.extend(pieces);
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
        let meta = Meta { time: group.time, now: group.since, lost: 0, flags: group.flags | flags };
        self.counters.multiline += u64::from(meta.flags.has(Flags::MULTILINE));
        self.emit(plan, (text.trim_end_matches('\n'), meta, group.original, &pieces), out);
        group.reset(text);
    }

    /// Writes a record: its text, what the parsers find in it, and nothing that is secret.
    #[inline]
    fn emit(&mut self, plan: &Plan, whole: (&str, Meta, u64, &Pieces), out: &mut Records) {
        let (text, meta, original_len, pieces) = whole;
        let line = out.push_text(text);
        let piece = pieces.current.unwrap_or_default();
        let mut record = Record {
            body: line,
            line,
            time: meta.time,
            observed: meta.now,
            start: piece.start,
            end: piece.end,
            original_len,
            source: piece.source,
            flags: meta.flags,
            ..Record::default()
        };
        if !plan.parsers.is_empty() {
            self.parse(plan, text, &mut record, out);
        }
        if let Some(redaction) = &plan.redaction
            && redaction.apply(out, &mut record)
        {
            record.flags.set(Flags::REDACTED);
            // What replaces a secret may be anything.
            record.plain = false;
        }
        if !pieces.earlier.is_empty() {
            record.flags.set(Flags::JOINED);
            for earlier in &pieces.earlier {
                out.push_join(record.line, *earlier);
            }
        }
        self.count(record.flags);
        out.push(&record);
    }

    /// The first parser that fits fills the record.
    #[inline]
    fn parse(&mut self, plan: &Plan, text: &str, record: &mut Record, out: &mut Records) {
        let (mark, time) = (out.mark(), record.time);
        for parser in &plan.parsers {
            let mut draft =
                Draft::new(text, record, &plan.options, out, (&mut self.scratch, &mut self.index));
            if (parser.parse)(&mut draft).is_some() {
                if plan.options.body == Body::Line || record.flags.has(Flags::FIELDS_CUT) {
                    record.body = record.line;
                }
                return;
            }
            out.rewind(mark);
            record.forget_parsed();
            record.time = time;
        }
        record.flags.set(Flags::UNPARSED);
    }

    fn count(&mut self, flags: Flags) {
        let counters = &mut self.counters;
        counters.records += 1;
        if flags == Flags::default() {
            return;
        }
        counters.unparsed += u64::from(flags.has(Flags::UNPARSED));
        counters.repaired += u64::from(flags.has(Flags::REPAIRED));
        counters.partial += u64::from(flags.has(Flags::PARTIAL));
        counters.fields_cut += u64::from(flags.has(Flags::FIELDS_CUT));
        counters.redacted += u64::from(flags.has(Flags::REDACTED));
    }
}
