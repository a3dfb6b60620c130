use super::*;
use expect_test::{Expect, expect};
use model::Explain;
use serde_json::{Value, json};

/// Objects as `line kind name`, then the diagnostics with their hints.
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&render(&parse("a.yaml", text.as_bytes())));
}

fn render(parsed: &Parsed) -> String {
    let mut out = String::new();
    for manifest in &parsed.manifests {
        let (origin, object) = (&manifest.origin, &manifest.object);
        out += &format!("{origin} {} {}\n", object.kind(), object.name());
    }
    for diagnostic in &parsed.diagnostics {
        out += &format!("{diagnostic}\n");
        if let Some(hint) = diagnostic.hint() {
            out += &format!("  hint: {hint}\n");
        }
    }
    out
}

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn spec(value: &str) -> Result<Value, Fault> {
    let text = format!("{}spec: {value}\n", map("x"));
    let mut parsed = parse("a.yaml", text.as_bytes());
    match parsed.diagnostics.pop() {
        None => Ok(parsed.manifests.remove(0).object.at(&["spec"]).cloned().unwrap()),
        Some(diagnostic) => Err(diagnostic.fault),
    }
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text =
        format!("{}---\na: b: c\n---\n{}---\nkind: [1\n---\n{}", map("a"), map("b"), map("c"));
    check(
        &text,
        &expect![[r#"
            a.yaml:1 ConfigMap a
            a.yaml:8 ConfigMap b
            a.yaml:15 ConfigMap c
            a.yaml:6:5: mapping values are not allowed in this context
              6 | a: b: c
                |     ^
              hint: put the value in quotes: an unquoted value must not contain a colon and a space
            a.yaml:14:1: while parsing a flow sequence, expected ',' or ']'
              14 |
                 | ^
              hint: a bracket or a comma may be missing
        "#]],
    );
}

#[test]
fn gitops_2_duplicate_keys_are_refused_with_both_lines() {
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\ndata:\n  k: 1\n  'k': 2\n",
        &expect![[r"
            a.yaml:5:3: duplicate key `name`, first given on line 4
              5 |   name: b
                |   ^
              hint: keep one of them
            a.yaml:8:3: duplicate key `k`, first given on line 7
              8 |   'k': 2
                |   ^
              hint: keep one of them
        "]],
    );
    check(
        "---\n---\n{\n\t\"kind\": \"\\ud83d\\ude00\",\n\t\"kind\": 1\n}",
        &expect![[r#"
            a.yaml:5:2: duplicate key `kind`, first given on line 4
              5 | →"kind": 1
                |  ^
              hint: keep one of them
        "#]],
    );
    // 1 and "1" are the same key once they are JSON; a merged key may be given again.
    assert!(matches!(spec("{1: a, '1': b}"), Err(Fault::DuplicateKey { .. })));
    assert_eq!(spec("{<<: {a: 1}, a: 2}"), Ok(json!({"a": 2})));
}

#[test]
fn lists_are_taken_apart_and_every_item_keeps_its_line() {
    check(
        "kind: List\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n\
         - kind: List\n  apiVersion: v1\n  items:\n\
\x20 - {apiVersion: v1, kind: Pod, metadata: {name: b}}\n\
         - apiVersion: v1\n  kind: Pod\n  metadata: {labels: {v: 1}}\n- just text\n---\n\
         kind: PodList\napiVersion: v1\nitems: [{metadata: {name: c}}]\n---\n\
         kind: PodList\nitems: {}\n---\nkind: AllowList\napiVersion: x/v1\nmetadata: {name: d}\n",
        &expect![[r"
            a.yaml:4 Pod a
            a.yaml:7 Pod b
            a.yaml:18 Pod c
            a.yaml:23 AllowList d
            a.yaml:13:3: `metadata.name` is missing
              13 |   metadata: {labels: {v: 1}}
                 |   ^
              hint: give the object a fixed name; only a hook may have a `generateName` instead
            a.yaml:13:23: `metadata.labels.v` is a number, expected a string
              13 |   metadata: {labels: {v: 1}}
                 |                       ^
              hint: put the value in quotes
            a.yaml:14:3: the document is a string, not a Kubernetes object
              14 | - just text
                 |   ^
              hint: a Kubernetes object needs `apiVersion`, `kind` and `metadata`
            a.yaml:21:1: `items` of a PodList must be a list
              21 | items: {}
                 | ^
              hint: check the indentation
        "]],
    );
}

#[test]
fn each_common_mistake_has_its_line_and_a_hint() {
    check(
        "a:\n\tb: 1\n---\na: {{ .Values.x }}\n---\na: \"x\n---\nk: 'it's'\n---\na:\n  b: 1\n c: 2\n---\n\
         x: @y\n---\n<<<<<<< ours\na: 1\n=======\na: 2\n>>>>>>> theirs\n---\na: *b\n---\na: 1\nb\nc: 2\n---\n- [\n",
        &expect![[r#"
            a.yaml:2:2: tabs disallowed within this context (block indentation)
              2 | →b: 1
                |  ^
              hint: a tab is used for indentation: replace it with spaces
            a.yaml:4:17: a map key must be a string, this is a map or a list
              4 | a: {{ .Values.x }}
                |                 ^
              hint: this looks like a template: render it before it is delivered
            a.yaml:6:4: while scanning a quoted scalar, found unexpected end of stream
              6 | a: "x
                |    ^
              hint: close the quote that was opened, or check what follows it
            a.yaml:8:8: invalid trailing content after double-quoted scalar
              8 | k: 'it's'
                |        ^
              hint: close the quote that was opened, or check what follows it
            a.yaml:12:2: while parsing a block mapping, did not find expected key
              12 |  c: 2
                 |  ^
              hint: a `:` may be missing, or the indentation differs from the lines above
            a.yaml:14:4: unexpected character: `@'
              14 | x: @y
                 |    ^
              hint: put the value in quotes
            a.yaml:17:2: mapping values are not allowed in this context
              17 | a: 1
                 |  ^
              hint: resolve the Git merge conflict
            a.yaml:22:4: while parsing node, found unknown anchor
              22 | a: *b
                 |    ^
              hint: write the value out: no anchor of that name stands before it in this document
            a.yaml:26:1: simple key expect ':'
              26 | c: 2
                 | ^
              hint: check the indentation here and on the line above
            a.yaml:29:1: while parsing a node, did not find expected node content
              29 |
                 | ^
        "#]],
    );
}

#[test]
fn an_object_without_its_shape_is_refused_at_its_line() {
    check(
        "# comment\n\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n\
         ---\napiVersion: 1\nkind: Pod\n---\n7\n---\n- a\n---\napiVersion: v1\nkind: Pod\n---\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n",
        &expect![[r#"
            a.yaml:20 Kustomization 
            a.yaml:3:1: `apiVersion` is missing
              3 | kind: Pod
                | ^
              hint: a Kubernetes object needs `apiVersion`, `kind` and `metadata`
            a.yaml:8:12: `metadata.name` is a number, expected a string
              8 | metadata: {name: 1}
                |            ^
              hint: put the value in quotes
            a.yaml:10:1: `apiVersion` is a number, expected a string
              10 | apiVersion: 1
                 | ^
              hint: a Kubernetes object needs `apiVersion`, `kind` and `metadata`
            a.yaml:13:1: the document is a number, not a Kubernetes object
              13 | 7
                 | ^
              hint: a Kubernetes object needs `apiVersion`, `kind` and `metadata`
            a.yaml:15:1: the document is a list, not a Kubernetes object
              15 | - a
                 | ^
              hint: a Kubernetes object needs `apiVersion`, `kind` and `metadata`
            a.yaml:17:1: `metadata.name` is missing
              17 | apiVersion: v1
                 | ^
              hint: give the object a fixed name; only a hook may have a `generateName` instead
        "#]],
    );
}

#[test]
fn documents_without_content_are_skipped() {
    for text in [
        "",
        "\n",
        "# only a comment",
        "---\n---\n",
        "---\n# c\n...\n---",
        "null",
        "~\n---\n",
        "\u{feff}",
    ] {
        assert_eq!(parse("a.yaml", text.as_bytes()), Parsed::default(), "{text:?}");
    }
}

#[test]
fn separators_directives_line_ends_and_byte_order_marks_are_understood() {
    let (a, b) = (map("a"), map("b"));
    let crlf = format!("{a}---\n{b}").replace('\n', "\r\n");
    for text in [
        format!("\u{feff}{a}--- # next\n{b}---\n"),
        format!("%YAML 1.1\n---\n{a}...\n---\n{b}"),
        format!("{a}...\n{b}"),
        format!("{a}---\n\u{feff}{b}"),
        format!("--- {{apiVersion: v1, kind: X, metadata: {{name: a}}}}\n---\t\n{b}"),
        crlf,
    ] {
        let parsed = parse("a.yaml", text.as_bytes());
        assert_eq!(parsed.diagnostics, [], "{text:?}");
        let names: Vec<_> = parsed.manifests.iter().map(|m| m.object.name().to_owned()).collect();
        assert_eq!(names, ["a", "b"], "{text:?}");
    }
}

#[test]
fn other_encodings_and_control_characters_are_refused_clearly() {
    let utf16: Vec<u8> = "a: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf32: Vec<u8> = "a: 1\n".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let mut out = String::new();
    for bytes in [&[0xff, 0xfe, b'a', 0][..], &utf16, &utf32, b"a: 1\nb: \xff\xfe\n", b"a: \x01\n"]
    {
        out += &render(&parse("a.yaml", bytes));
    }
    expect![[r#"
        a.yaml:1:1: the file is UTF-16, expected UTF-8
          1 |
            | ^
          hint: save the file as UTF-8
        a.yaml:1:1: the file is UTF-16, expected UTF-8
          1 |
            | ^
          hint: save the file as UTF-8
        a.yaml:1:1: the file is UTF-32, expected UTF-8
          1 |
            | ^
          hint: save the file as UTF-8
        a.yaml:2:4: this byte is not UTF-8
          2 | b: ��
            |    ^
          hint: save the file as UTF-8
        a.yaml:1:4: control character U+0001 is not allowed
          1 | a: �
            |    ^
          hint: remove it, or write it as \x.. inside double quotes
    "#]]
    .assert_eq(&out);
}

#[test]
fn json_files_work_with_tabs_surrogates_and_several_values() {
    let text = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"X\",\n\t\"metadata\": {\"name\": \"a\"},\n\
                \t\"spec\": [\"\\ud83d\\ude00\\/\", 1.50e1, -0, true, null, {}, []]}\n \
                {\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"b\"}}";
    let parsed = parse("a.json", text.as_bytes());
    assert_eq!(render(&parsed), "a.json:1 X a\na.json:5 X b\n");
    assert_eq!(
        parsed.manifests[0].object.at(&["spec"]),
        Some(&json!(["😀/", 15, 0, true, null, {}, []]))
    );
    expect![[r#"
        a.json:2:1: expected `,` or `}`
          2 | "b": 2}
            | ^
    "#]]
    .assert_eq(&render(&parse("a.json", b"{\"a\": 1\n\"b\": 2}")));
}

#[test]
fn gitops_13_excerpts_of_a_broken_secret_are_withheld() {
    let canary = "hunter2canary";
    for text in [
        format!("apiVersion: v1\nkind: Secret\nstringData:\n  p: {canary}: x\n"),
        format!("kind: \"Secret\"\ndata:\n\tp: {canary}\n"),
        format!("{{\"kind\":\"Secret\",\"data\":{{\"p\":\"{canary}\" \"x\"}}}}"),
        format!("stringData:\n  p: 1\n  p: {canary}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {canary}\n"),
        format!("kind: List\nitems:\n- kind: Secret\n  data: !!int {canary}\n"),
    ] {
        let parsed = parse("a.yaml", text.as_bytes());
        assert!(!parsed.diagnostics.is_empty(), "{text}");
        for diagnostic in &parsed.diagnostics {
            let shown = format!("{diagnostic} {:?} {:?}", diagnostic, diagnostic.finding());
            assert!(!shown.contains(canary), "{shown}");
        }
    }
}

#[test]
fn the_depth_bound_holds_for_text_aliases_and_json() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    // The document itself is one level.
    assert!(spec(&nested(DEPTH_MAX - 1)).is_ok());
    assert_eq!(spec(&nested(DEPTH_MAX)), Err(Fault::TooDeep));
    let half = nested(DEPTH_MAX / 2);
    let aliased = format!("\n  a: &a {half}\n  b: {}*a{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(spec(&aliased), Err(Fault::TooDeep));
    let json = format!("{{\"a\":{}}}", nested(200_000));
    let parsed = parse("a.json", json.as_bytes());
    assert_eq!(parsed.diagnostics.first().map(|d| &d.fault), Some(&Fault::TooDeep));
}

#[test]
fn a_billion_laughs_cost_no_more_than_the_bound() {
    let mut text = "\n  a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]".to_owned();
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        text += &format!("\n  a{level}: &a{level} [{}]", vec![below; 9].join(", "));
    }
    assert_eq!(spec(&text), Err(Fault::AliasesTooLarge));
    let merged = format!("\n  m: &m {{k: {}}}", "x".repeat(1 << 20));
    let many: String = (0..20).map(|n| format!("\n  k{n}:\n    <<: *m")).collect();
    assert_eq!(spec(&format!("{merged}{many}")), Err(Fault::AliasesTooLarge));
}

#[test]
fn the_alias_bound_is_exact() {
    // One anchored scalar; each alias of it costs its text and 64 bytes.
    let text_bytes = (1 << 20) - 64;
    let doc = |aliases: usize| {
        let list = vec!["*a"; aliases].join(", ");
        format!("\n  a: &a {}\n  b: [{list}]", "x".repeat(text_bytes))
    };
    assert!(spec(&doc(16)).is_ok());
    assert_eq!(spec(&doc(17)), Err(Fault::AliasesTooLarge));
}

#[test]
fn the_size_bound_is_exact() {
    let mut bytes = vec![b'\n'; FILE_BYTES_MAX];
    assert_eq!(parse("a.yaml", &bytes), Parsed::default());
    bytes.push(b'\n');
    let parsed = parse("a.yaml", &bytes);
    let fault = Fault::FileTooLarge { bytes: FILE_BYTES_MAX + 1 };
    assert_eq!(parsed.diagnostics.first().map(|d| &d.fault), Some(&fault));
}

#[test]
fn the_object_and_diagnostic_bounds_are_exact() {
    let item = r#"{"apiVersion":"v1","kind":"X","metadata":{"name":"a"}}"#;
    let parsed = parse("a.json", item.repeat(OBJECTS_PER_FILE_MAX).as_bytes());
    assert_eq!((parsed.manifests.len(), parsed.diagnostics.len()), (OBJECTS_PER_FILE_MAX, 0));
    let parsed = parse("a.json", item.repeat(OBJECTS_PER_FILE_MAX + 1).as_bytes());
    assert_eq!(parsed.manifests.len(), OBJECTS_PER_FILE_MAX);
    assert_eq!(parsed.diagnostics[0].fault, Fault::TooManyObjects);

    let parsed = parse("a.yaml", "a: b: c\n---\n".repeat(DIAGNOSTICS_PER_FILE_MAX).as_bytes());
    assert_eq!(parsed.diagnostics.len(), DIAGNOSTICS_PER_FILE_MAX);
    let parsed = parse("a.yaml", "a: b: c\n---\n".repeat(DIAGNOSTICS_PER_FILE_MAX + 7).as_bytes());
    assert_eq!(parsed.diagnostics.len(), DIAGNOSTICS_PER_FILE_MAX + 1);
    let last = parsed.diagnostics.last().map(|d| d.fault.clone());
    assert_eq!(last, Some(Fault::MoreLeftOut { count: 7 }));
}

#[test]
fn anchors_do_not_reach_across_documents_nor_into_themselves() {
    assert_eq!(spec("&a [*a]"), Err(Fault::UnknownAlias));
    let text = format!("{}spec: &a 1\n...\n{}spec: *a\n", map("a"), map("b"));
    let parsed = parse("a.yaml", text.as_bytes());
    assert_eq!((parsed.manifests.len(), parsed.diagnostics.len()), (1, 1));
    assert_eq!(spec("{a: &x {k: [1]}, b: *x, c: {<<: *x}}").unwrap()["c"], json!({"k": [1]}));
}

#[test]
fn a_long_line_is_shown_as_a_window_around_the_column() {
    let text = format!("{{a: {}, b: c: d, e: {}}}", "x".repeat(150), "y".repeat(150));
    let parsed = parse("a.yaml", text.as_bytes());
    let excerpt = &parsed.diagnostics[0].excerpt;
    let lines: Vec<&str> = excerpt.lines().collect();
    let caret = lines[1].chars().position(|c| c == '^').unwrap();
    assert!(lines[0].chars().count() < 120 && lines[0].contains("b: c: d"), "{excerpt}");
    assert_eq!(lines[0].chars().nth(caret), Some(':'), "{excerpt}");
}

#[test]
fn a_path_is_found_in_json_and_yaml_and_not_through_an_alias() {
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let text = "{\"a\": [1, {\"b\": {\"c\": 2}}],\n \"b\": {\"c\": 1}}";
    let json = expand::locate(JsonEvents::new(text), 0, &path("b.c"));
    assert_eq!(json, Some(Mark { line: 2, column: 8 }));
    let yaml = expand::locate(YamlEvents::new(text), 0, &path("a.1.b.c"));
    assert_eq!(yaml, Some(Mark { line: 1, column: 18 }));
    let text = "a: &a {b: 1}\nc: *a";
    assert_eq!(expand::locate(YamlEvents::new(text), 0, &path("c.b")), None);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(|float| Value::from(float + 0.015_625)),
            "\\PC{0,12}".prop_map(Value::from),
            "[ \\t\\n\\r:#'\"\\\\{}\\[\\],&*!|>%@`a0.~-]{0,10}".prop_map(Value::from),
            prop::sample::select(vec!["yes", "0644", "null", "1e3", "~", "2001-01-01", "<<"])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,8}|[a-z.]{1,8}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Block style, all strings in double quotes.
    fn to_yaml(value: &Value, indent: usize) -> String {
        let pad = "  ".repeat(indent);
        let below = |value: &Value| match value {
            Value::Array(items) if items.is_empty() => " []\n".to_owned(),
            Value::Object(map) if map.is_empty() => " {}\n".to_owned(),
            Value::Array(_) | Value::Object(_) => format!("\n{}", to_yaml(value, indent + 1)),
            scalar => format!(" {scalar}\n"),
        };
        match value {
            Value::Array(items) => {
                items.iter().map(|item| format!("{pad}-{}", below(item))).collect()
            }
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| format!("{pad}{}:{}", json!(key), below(value)))
                .collect(),
            scalar => format!("{scalar}\n"),
        }
    }

    fn object(spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": spec})
    }

    fn read_back(text: &str) -> Vec<Value> {
        let parsed = parse("a.yaml", text.as_bytes());
        assert_eq!(parsed.diagnostics, [], "{text}");
        parsed.manifests.into_iter().map(|manifest| manifest.object.into_value()).collect()
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            crate::fuzzing::yaml_parse(&bytes);
        }

        #[test]
        fn no_text_of_yaml_characters_makes_the_reader_panic(
            text in "([ \\t\\n\\r:#'\"{}\\[\\],&*!|>%@`a0.~?<-]|---\\n|\\.\\.\\.\\n|- |: |&a|\\*a|<<: ){0,60}"
        ) {
            crate::fuzzing::yaml_parse(text.as_bytes());
        }

        #[test]
        fn a_value_written_as_yaml_or_json_reads_back_the_same(spec in any_json()) {
            let object = object(&spec);
            prop_assert_eq!(read_back(&to_yaml(&object, 0)), vec![object.clone()]);
            prop_assert_eq!(read_back(&object.to_string()), vec![object.clone()]);
            let pretty = serde_json::to_string_pretty(&object).unwrap();
            prop_assert_eq!(read_back(&format!("{pretty}\n---\n{pretty}")), vec![object.clone(), object]);
        }
    }
}
