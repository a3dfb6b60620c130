//! What the records of a block say: texts in one arena, and fields whose names and values they are.
//!
//! Apart from the records, so that one of them can be filled where it lies.

use crate::record::{ARENA_BYTES_MAX, BLOCK_BYTES, Field, Piece, Span, Value, narrow};

/// An arena grows by this many bytes at least.
const GROWTH_BYTES: usize = 64 * 1024;
/// An arena that grew beyond this many bytes gives its memory back when it is cleared.
const KEPT_BYTES_MAX: usize = 4 * BLOCK_BYTES;
/// How many names a block remembers so that it writes each of them once.
const NAMES_MAX: usize = 32;

/// The texts and fields of a block of records.
#[derive(Debug, Default, Clone)]
pub(crate) struct Texts {
    arena: String,
    fields: Vec<Field>,
    joins: Vec<Join>,
    names: Vec<Span>,
    /// Where the fields of the next record begin.
    open: usize,
}

/// A piece in an earlier file (before a rotation) of a record that ends in a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Join {
    /// Where the record's body begins in the arena; identifies it among the records.
    line: Span,
    /// The piece.
    piece: Piece,
}

/// See [`Texts::mark`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    arena: usize,
    fields: usize,
    names: usize,
}

impl Texts {
    /// See [`crate::Records::clear`].
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.fields.clear();
        self.joins.clear();
        self.names.clear();
        self.open = 0;
        if self.arena.capacity() > KEPT_BYTES_MAX {
            self.arena.shrink_to(BLOCK_BYTES);
        }
    }

    /// Bytes of memory that they hold.
    pub(crate) fn memory(&self) -> usize {
        self.arena.capacity()
            + self.fields.capacity() * size_of::<Field>()
            + self.joins.capacity() * size_of::<Join>()
            + self.names.capacity() * size_of::<Span>()
    }

    /// Bytes of text.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Some fields.
    #[inline]
    pub(crate) fn fields(&self, fields: Span) -> &[Field] {
        self.fields.get(fields.range()).unwrap_or_default()
    }

    /// The pieces in earlier files of the record with this line, oldest first.
    pub(crate) fn joins(&self, line: Span) -> impl Iterator<Item = Piece> + '_ {
        self.joins.iter().filter(move |join| join.line == line).map(|join| join.piece)
    }

    /// All pieces in earlier files.
    pub(crate) fn all_joins(&self) -> impl Iterator<Item = Piece> + '_ {
        self.joins.iter().map(|join| join.piece)
    }

    /// The text of a span.
    pub(crate) fn text(&self, span: Span) -> &str {
        self.arena.get(span.range()).unwrap_or_default()
    }

    /// The text of a span and what follows it in the arena, `N` bytes in all. None when the span
    /// is longer or the arena ends before: who copies a short text can copy so many bytes at once
    /// and take back what is too much.
    #[inline]
    pub(crate) fn ahead<const N: usize>(&self, span: Span) -> Option<&[u8; N]> {
        let rest = self.arena.as_bytes().get(span.start as usize..)?;
        if span.len as usize <= N { rest.first_chunk() } else { None }
    }

    /// Writes text into the arena.
    pub(crate) fn push_text(&mut self, text: &str) -> Span {
        if self.arena.len().saturating_add(text.len()) > ARENA_BYTES_MAX {
            return Span::default();
        }
        let start = narrow(self.arena.len());
        self.arena.push_str(text);
        Span { start, len: narrow(text.len()) }
    }

    /// Writes a line into the arena, and a newline behind it when there is room for the line.
    pub(crate) fn push_line(&mut self, line: &str) -> (Span, bool) {
        let span = self.push_text(line);
        let fits = span.len as usize == line.len();
        if fits {
            self.arena.push('\n');
        }
        (span, fits)
    }

    /// Writes lines with their newlines into the arena, when there is room; where they begin.
    pub(crate) fn push_lines(&mut self, lines: &str) -> Option<u32> {
        if self.arena.capacity() - self.arena.len() < lines.len() {
            // In steps: what is reserved counts as memory of the block.
            self.arena.reserve_exact(GROWTH_BYTES.max(lines.len()));
        }
        let span = self.push_text(lines);
        (span.len as usize == lines.len()).then_some(span.start)
    }

    /// Texts as they lie one behind the other.
    pub(crate) fn arena(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.arena.as_bytes().get(range).unwrap_or_default()
    }

    /// Writes a name that many records share; a name that was written lately is not written again.
    pub(crate) fn push_name(&mut self, name: &str) -> Span {
        let known = self.names.iter().find(|span| {
            span.len as usize == name.len() && self.arena.get(span.range()) == Some(name)
        });
        if let Some(span) = known {
            return *span;
        }
        let span = self.push_text(name);
        if self.names.len() < NAMES_MAX {
            self.names.push(span);
        }
        span
    }

    /// Adds a field to the record that is pushed next.
    pub(crate) fn push_field(&mut self, key: Span, value: Value) {
        self.fields.push(Field { key, value });
    }

    /// Remembers that a record of this text has a piece in an earlier file.
    pub(crate) fn push_join(&mut self, line: Span, piece: Piece) {
        self.joins.push(Join { line, piece });
    }

    /// How much is in it, to come back to with [`Texts::rewind`].
    pub(crate) fn mark(&self) -> Mark {
        Mark { arena: self.arena.len(), fields: self.fields.len(), names: self.names.len() }
    }

    /// Forgets what was written since the mark and belongs to no record.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        if self.arena.is_char_boundary(mark.arena) {
            self.arena.truncate(mark.arena);
        }
        self.fields.truncate(mark.fields);
        self.names.truncate(mark.names);
    }

    /// The field with this key among those that were pushed since the last record.
    pub(crate) fn open_field(&mut self, key: Span) -> Option<&mut Field> {
        let arena = self.arena.as_bytes();
        let key = arena.get(key.range())?;
        let open = self.fields.get_mut(self.open..)?;
        open.iter_mut().find(|field| {
            // Most names differ in their length or at their end.
            field.key.len as usize == key.len()
                && arena
                    .get(field.key.range())
                    .is_some_and(|name| name.last() == key.last() && name == key)
        })
    }

    /// The fields that were pushed since the last record.
    pub(crate) fn unfinished_fields(&self) -> &[Field] {
        self.fields.get(self.open..).unwrap_or_default()
    }

    /// Replaces all that was written since `base`: the texts and the fields of the next record.
    pub(crate) fn replace_open(&mut self, base: u32, text: &str, fields: &[Field]) {
        if self.arena.is_char_boundary(base as usize) {
            self.arena.truncate(base as usize);
        }
        self.arena.push_str(text);
        self.names.retain(|name| name.start < base);
        self.fields.truncate(self.open);
        self.fields.extend_from_slice(fields);
    }

    /// How many fields were pushed since the last record.
    pub(crate) fn open_fields_len(&self) -> usize {
        self.fields.len().saturating_sub(self.open)
    }

    /// The fields of the record that is pushed now: those that were pushed since the last one.
    #[inline]
    pub(crate) fn end_fields(&mut self) -> Span {
        let fields = Span { start: narrow(self.open), len: narrow(self.open_fields_len()) };
        self.open = self.fields.len();
        fields
    }
}
