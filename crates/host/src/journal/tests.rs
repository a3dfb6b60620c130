//! The export format, and the program.

use super::*;
use proptest::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// All entries of these bytes, fed in pieces of this size.
fn parse(bytes: &[u8], piece: usize) -> Vec<Fields> {
    let mut export = Export::default();
    let mut entries = Vec::new();
    for mut part in bytes.chunks(piece) {
        while !part.is_empty() {
            let fed = export.feed(part);
            part = &part[fed.consumed..];
            if fed.complete {
                let entry = export.entry();
                entries.push(entry.fields().map(|(n, v)| (n.to_vec(), v.to_vec())).collect());
            }
        }
    }
    entries
}

fn binary(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{name}\n").into_bytes();
    bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
    bytes
}

#[test]
fn an_entry_has_text_and_binary_fields_however_its_bytes_arrive() {
    let mut bytes = b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000000001\n".to_vec();
    bytes.extend(b"PRIORITY=3\nEMPTY=\n");
    bytes.extend(binary("MESSAGE", b"two\nlines=\xff"));
    bytes.extend(binary("NONE", b""));
    bytes.extend(b"\n\n\nMESSAGE=next\n\n");
    for piece in 1..bytes.len() {
        let entries = parse(&bytes, piece);
        assert_eq!(entries.len(), 2, "in pieces of {piece}");
        assert_eq!(entries[0].len(), 6);
        assert_eq!(entries[0][4], (b"MESSAGE".to_vec(), b"two\nlines=\xff".to_vec()));
        assert_eq!(entries[1], [(b"MESSAGE".to_vec(), b"next".to_vec())]);
    }
    let mut export = Export::default();
    assert!(export.feed(&bytes).complete);
    let entry = export.entry();
    assert_eq!(entry.cursor(), Some("s=1;i=2"));
    assert_eq!(entry.realtime_us(), 1_700_000_000_000_001);
    assert_eq!((entry.priority(), entry.is_cut()), (Some(3), false));
}

#[test]
fn the_bounds_of_an_entry_hold_and_the_next_entry_is_intact() {
    let mut bytes = b"A=1\n".to_vec();
    bytes.extend(binary("MESSAGE", &vec![b'x'; VALUE_BYTES_MAX]));
    bytes.extend(b"\n");
    bytes.extend(binary("MESSAGE", &vec![b'x'; VALUE_BYTES_MAX + 1]));
    bytes.extend(b"\n");
    for _ in 0..=FIELDS_MAX {
        bytes.extend(b"B=2\n");
    }
    bytes.extend(b"\n");
    for _ in 0..8 {
        bytes.extend(binary("C", &vec![b'x'; VALUE_BYTES_MAX]));
    }
    bytes.extend(b"PRIORITY=3\n\nLAST=1\n\n");
    let entries = parse(&bytes, 4096);
    let sizes: Vec<usize> =
        entries.iter().map(|e| e.iter().map(|(n, v)| n.len() + v.len()).sum()).collect();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[0][1].1.len(), VALUE_BYTES_MAX);
    assert_eq!(entries[1][0].1.len(), VALUE_BYTES_MAX);
    assert_eq!(entries[2].len(), FIELDS_MAX);
    assert!(sizes[3] <= ENTRY_BYTES_MAX && entries[3][7].1.len() == 256);
    assert_eq!(entries[3][8], (b"PRIORITY".to_vec(), b"3".to_vec()));
    assert_eq!(entries[4], [(b"LAST".to_vec(), b"1".to_vec())]);
}

#[test]
fn a_length_that_is_a_lie_costs_no_memory() {
    let mut export = Export::default();
    let mut bytes = b"MESSAGE\n".to_vec();
    bytes.extend(u64::MAX.to_le_bytes());
    export.feed(&bytes);
    for _ in 0..100 {
        assert!(!export.feed(&[b'x'; 1 << 20]).complete);
    }
    assert!(export.entry().is_cut());
}

#[test]
fn lines_that_are_no_fields_are_skipped_and_counted() {
    let long = "X".repeat(NAME_BYTES_MAX + 1);
    let mut bytes = format!("=no name\n{long}\n{long}=1\nA=1\n").into_bytes();
    bytes.extend(b"B\n\x01\0\0\0\0\0\0\0xjunk\nC=3\n\n");
    let entries = parse(&bytes, 7);
    let names: Vec<&[u8]> = entries[0].iter().map(|(name, _)| name.as_slice()).collect();
    assert_eq!(names, [b"A", b"B", b"C"]);
    let mut export = Export::default();
    export.feed(&bytes);
    assert_eq!(export.damaged(), 4);
}

proptest! {
    #[test]
    fn no_output_makes_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        crate::fuzzing::journal_export(&bytes);
    }

    #[test]
    fn any_fields_come_back_from_any_pieces(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..8),
        piece in 1..40_usize,
    ) {
        let mut bytes = Vec::new();
        for value in &values {
            bytes.extend(binary("FIELD", value));
        }
        bytes.push(b'\n');
        let expected: Fields = values.into_iter().map(|v| (b"FIELD".to_vec(), v)).collect();
        prop_assert_eq!(parse(&bytes, piece), [expected]);
    }
}

/// A program that behaves as the script says.
fn program(dir: &tempfile::TempDir, script: &str) -> Source {
    let path = dir.path().join("journalctl");
    // A child writes it: while this process had it open for writing, a child of another test could
    // have that descriptor, too, and nobody can run such a file ("text file busy").
    let mut write = Command::new("sh");
    write.args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod 755 \"$0\""]);
    assert!(write.arg(&path).arg(script).status().unwrap().success());
    Source { program: Some(path), directory: None, units: Vec::new(), from: From::Beginning }
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn entries_come_as_they_are_printed_and_the_cursor_is_where_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = program(
        &dir,
        "printf 'MESSAGE=%s\\n__CURSOR=s=1\\n\\n' \"$*\"; printf 'MESSAGE=half'; exec sleep 1000",
    );
    source.from = From::After("s=0;i=7".into());
    source.units = vec!["a.service".into()];
    let mut journal = Journal::start(&source).unwrap();
    let entry = journal.next(LONG).unwrap().unwrap();
    let arguments = String::from_utf8(entry.message().to_vec()).unwrap();
    assert_eq!(
        arguments,
        "--output=export --no-pager --quiet --all --merge --follow --no-tail \
         --cursor=s=0;i=7 --unit=a.service"
    );
    assert_eq!(entry.cursor(), Some("s=1"));
    assert!(journal.next(Duration::ZERO).unwrap().is_none());
}

#[test]
fn a_signal_to_the_group_of_this_process_does_not_reach_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let script = "read -r pid name state parent group rest < /proc/$$/stat; \
                  printf 'MESSAGE=%s\n\n' $((group - pid))";
    let mut journal = Journal::start(&program(&dir, script)).unwrap();
    assert_eq!(journal.next(LONG).unwrap().unwrap().message(), b"0");
}

#[test]
fn a_time_is_given_in_whole_microseconds_and_the_newest_entry_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = program(&dir, "printf 'MESSAGE=%s\n\n' \"$*\"");
    let always = "--output=export --no-pager --quiet --all --merge";
    for (from, own) in [
        (From::Beginning, "--follow --no-tail"),
        (From::Since(1_700_000_000_000_042), "--follow --no-tail --since=@1700000000.000042"),
        (From::Newest, "--lines=1"),
    ] {
        source.from = from;
        let mut journal = Journal::start(&source).unwrap();
        let entry = journal.next(LONG).unwrap().unwrap();
        assert_eq!(entry.message(), format!("{always} {own}").as_bytes());
    }
}

#[test]
fn the_entry_of_the_cursor_is_passed_over_and_no_other_one() {
    let dir = tempfile::tempdir().unwrap();
    for (printed, expected) in [("1 2 3", "23"), ("2 3", "23"), ("1 1", "1")] {
        let script = format!(
            "for n in {printed}; do printf '__CURSOR=s=%s\nMESSAGE=%s\n\n' $n $n; done; exit 1"
        );
        let mut source = program(&dir, &script);
        source.from = From::After("s=1".into());
        let mut journal = Journal::start(&source).unwrap();
        let mut messages = Vec::new();
        while let Ok(entry) = journal.next(LONG) {
            let Some(entry) = entry else { continue };
            messages.extend_from_slice(entry.message());
        }
        assert_eq!(messages, expected.as_bytes(), "of {printed}");
    }
}

#[test]
fn a_program_that_ends_is_told_with_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let source = program(&dir, "printf 'A=1\\n\\n'; echo 'No permission' >&2; exit 3");
    let mut journal = Journal::start(&source).unwrap();
    assert!(journal.next(LONG).unwrap().is_some());
    let error = journal.next(LONG).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("No permission") && text.contains("signal") || text.contains('3'));
    assert!(error.hint().is_some());
    assert_eq!(error.retry(), Retry::After(PAUSE));
}

#[test]
fn without_journalctl_it_is_said_what_to_do() {
    let source = Source {
        program: Some("/nowhere/journalctl".into()),
        directory: None,
        units: Vec::new(),
        from: From::Beginning,
    };
    let error = Journal::start(&source).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the journal: journalctl is not installed");
    assert_eq!(error.retry(), Retry::Never);
}

#[test]
fn a_damaged_cursor_reaches_no_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = program(&dir, "exit 0");
    for bad in ["", "s=1 --file=/etc/shadow", "s=\u{e9}", &"a".repeat(CURSOR_BYTES_MAX + 1)] {
        source.from = From::After(bad.to_owned());
        assert!(matches!(Journal::start(&source), Err(JournalError::Cursor)), "{bad}");
    }
    source.from = From::After("a".repeat(CURSOR_BYTES_MAX));
    assert!(Journal::start(&source).is_ok());
}
