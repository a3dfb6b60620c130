//! Objects against schemas, as tables: the text of every finding is part of the guarantee.

use super::*;
use serde_json::json;

fn definition(schema: &Value) -> Vec<Schema> {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shops.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "Shop"}, "versions": [
            {"name": "v1", "served": true, "schema": {"openAPIV3Schema": schema}},
            {"name": "v0", "served": false, "schema": {"openAPIV3Schema": {"type": "string"}}}]}
    });
    of_definition(&Object::from_value(definition).unwrap()).unwrap()
}

fn custom(spec: &Value) -> Schema {
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    definition(&schema).into_iter().next().unwrap()
}

fn shop(spec: &Value) -> Object {
    object(json!({"apiVersion": "example.com/v1", "kind": "Shop",
        "metadata": {"name": "a"}, "spec": spec}))
}

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn lines(checked: &Checked) -> Vec<String> {
    checked.violations.iter().map(ToString::to_string).collect()
}

/// Findings on a spec against its schema.
fn found(schema: &Value, spec: &Value) -> Vec<String> {
    lines(&custom(schema).check(&shop(spec)))
}

const DOCUMENT: &str = r##"{"openapi": "3.0.0", "paths": {"/x": {"$ref": "nowhere"}}, "components": {"schemas": {
  "io.k8s.api.apps.v1.Deployment": {"type": "object",
    "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Deployment"}],
    "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"},
      "metadata": {"allOf": [{"$ref": "#/components/schemas/io.k8s.Meta"}], "default": {}},
      "spec": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.Spec"}], "default": {}}}},
  "io.k8s.api.Spec": {"type": "object", "required": ["template"], "properties": {
      "replicas": {"type": "integer", "format": "int32"},
      "template": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "containers": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
          "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}}}}}}}},
  "io.k8s.api.core.v1.Container": {"type": "object", "required": ["name"], "properties": {
      "name": {"type": "string"}, "image": {"type": "string"},
      "imagePullPolicy": {"type": "string", "enum": ["Always", "IfNotPresent", "Never"]},
      "limits": {"type": "object", "additionalProperties":
        {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}},
      "ports": {"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"], "items": {"type": "object", "properties": {
          "containerPort": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}}},
      "next": {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}}},
  "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
  "io.k8s.Meta": {"type": "object"},
  "io.k8s.Unreachable": {"$ref": "#/components/schemas/nowhere"},
  "io.k8s.api.v2.Deployment": {"type": "object",
    "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v2", "kind": "Deployment"}]}
}}}"##;

fn deployment() -> Schema {
    let gvk = GroupVersionKind::from_api_version("apps/v1", "Deployment");
    let mut found = compile(DOCUMENT.as_bytes(), std::slice::from_ref(&gvk)).unwrap();
    found.remove(&gvk).unwrap().unwrap()
}

fn deployment_with(container: &Value) -> Vec<String> {
    let spec = json!({"template": {"spec": {"containers": [container]}}});
    lines(&deployment().check(&object(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": spec}))))
}

#[test]
fn gitops_25_an_unknown_field_is_told_with_its_path_and_what_was_meant() {
    assert_eq!(
        deployment_with(&json!({"name": "web", "imagePullPolcy": "Always"})),
        [
            ".spec.template.spec.containers[0].imagePullPolcy: unknown field; did you mean `imagePullPolicy`?"
        ]
    );
    assert_eq!(
        deployment_with(&json!({"name": "web", "ports": [{"zzz": 1}]})),
        [
            ".spec.template.spec.containers[0].ports[0].zzz: unknown field, expected one of `containerPort`, `protocol`"
        ]
    );
}

#[test]
fn gitops_25_a_kind_is_found_by_group_version_and_kind_and_never_by_its_name_alone() {
    let kinds = ["apps/v1", "apps/v2", "apps/v3", "other/v1"]
        .map(|version| GroupVersionKind::from_api_version(version, "Deployment"));
    let found = compile(DOCUMENT.as_bytes(), &kinds).unwrap();
    let versions: Vec<String> = found.keys().map(GroupVersionKind::api_version).collect();
    assert_eq!(versions, ["apps/v1", "apps/v2"]);
    // Two definitions of one kind are no choice of ours.
    let twice = DOCUMENT.replace("\"version\": \"v2\"", "\"version\": \"v1\"");
    let found = compile(twice.as_bytes(), &kinds).unwrap();
    assert!(matches!(found.values().next(), Some(Err(SchemaError::Ambiguous { .. }))));
}

#[test]
fn gitops_25_every_finding_of_an_object_is_told_at_once() {
    let container = json!({"name": 1, "image": true, "imagePullPolicy": "Allways",
        "limits": {"cpu": "1x", "memory": 5}, "ports": [
            {"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}, {"containerPort": "x"}]});
    assert_eq!(
        deployment_with(&container),
        [
            ".spec.template.spec.containers[0].image: is a boolean, expected a string",
            ".spec.template.spec.containers[0].imagePullPolicy: is `Allways`, expected one of `Always`, \
             `IfNotPresent`, `Never`; did you mean `Always`?",
            ".spec.template.spec.containers[0].limits.cpu: is no quantity, expected a quantity such as 100m or 1Gi",
            ".spec.template.spec.containers[0].name: is a number, expected a string",
            ".spec.template.spec.containers[0].ports[2].containerPort: is a string, expected an integer",
            ".spec.template.spec.containers[0].ports[1]: has the same containerPort and protocol as an element before",
        ]
    );
}

#[test]
fn elements_with_the_same_keys_are_found_in_short_and_in_long_lists() {
    for count in [2, 16, 17, 40] {
        let mut ports: Vec<Value> = (0..count).map(|n| json!({"containerPort": n})).collect();
        let with = |ports: &[Value]| deployment_with(&json!({"name": "web", "ports": ports}));
        assert_eq!(with(&ports), Vec::<String>::new());
        ports[count - 1] = json!({"containerPort": 0, "protocol": "TCP"});
        assert_eq!(with(&ports).len(), 1, "{count}");
        ports[count - 1] = json!({"containerPort": 0, "protocol": "UDP"});
        assert_eq!(with(&ports), Vec::<String>::new());
    }
}

#[test]
fn what_go_reads_as_absent_is_absent() {
    let container = json!({"name": "web", "image": null, "imagePullPolicy": "", "limits": null,
        "ports": null, "next": {"name": "inner", "next": {"name": "innermost"}}});
    assert_eq!(deployment_with(&container), Vec::<String>::new());
}

/// A schema of one field, a value of it, and what is found.
type Rule = (Value, Value, &'static [&'static str]);

fn check_rules(table: &[Rule]) {
    let all = |properties: &Value| json!({"type": "object", "properties": {"x": properties}});
    for (schema, value, expected) in table {
        let expected: Vec<String> = expected
            .iter()
            .map(|text| match text.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
                Some((step, rest)) if step.parse::<usize>().is_ok() => {
                    format!(".spec.x[{step}]: {rest}")
                }
                Some((step, rest)) => format!(".spec.x.{step}: {rest}"),
                None => format!(".spec.x: {text}"),
            })
            .collect();
        assert_eq!(found(&all(schema), &json!({"x": value})), expected, "{schema} {value}");
    }
}

#[test]
fn the_rules_of_single_values_of_custom_resources_hold_one_by_one() {
    let table: [Rule; 13] = [
        (json!({"type": "integer"}), json!(1.0), &[]),
        (json!({"type": "integer"}), json!(1.5), &["is a number, expected an integer"]),
        (json!({"type": "string"}), json!(1), &["is a number, expected a string"]),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!(""),
            &["is ``, expected one of `a`, `b`"],
        ),
        (
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            &["does not match, expected a match of `^a+$`"],
        ),
        (json!({"type": "string", "minLength": 2, "maxLength": 3}), json!("äöü"), &[]),
        (
            json!({"type": "string", "minLength": 2}),
            json!("ä"),
            &["has 1 characters, expected 2 at least"],
        ),
        (json!({"type": "integer", "minimum": 1}), json!(1), &[]),
        (
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
            json!(1),
            &["is 1, expected more than 1"],
        ),
        (json!({"type": "integer", "maximum": 3}), json!(4), &["is 4, expected at most 3"]),
        (json!({"type": "number", "multipleOf": 0.1}), json!(0.3), &[]),
        (
            json!({"type": "integer", "multipleOf": 3}),
            json!(4),
            &["is 4, expected a multiple of 3"],
        ),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(1_u64 << 31),
            &["has another form, expected a 32-bit integer"],
        ),
    ];
    check_rules(&table);
}

#[test]
fn the_rules_of_lists_and_maps_of_custom_resources_hold_one_by_one() {
    let table: [Rule; 12] = [
        (
            json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
            json!(["a", "b"]),
            &["has 2 elements, expected 1 at most"],
        ),
        (
            json!({"type": "object", "minProperties": 1}),
            json!({}),
            &["has 0 entries, expected 1 at least"],
        ),
        (json!({"type": "object"}), json!({"a": 1}), &[]),
        (
            json!({"type": "object", "properties": {"known": {"type": "string"}}}),
            json!({"a": 1}),
            &["[a]: unknown field, expected `known`"],
        ),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            json!({"a": 1}),
            &[],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a": 1}),
            &["[a]: is a number, expected a string"],
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            json!("50%"),
            &[],
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            &["is a boolean, expected an integer or a string"],
        ),
        (json!({"type": "string", "nullable": true}), json!(null), &[]),
        (json!({"type": "string"}), json!(null), &[]),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
            json!({"a": null}),
            &["[a]: is missing"],
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
            json!(["a", "b", "a"]),
            &["[2]: is in the list twice"],
        ),
    ];
    check_rules(&table);
}

#[test]
fn alternatives_of_custom_resources_are_evaluated() {
    let properties = json!({"a": {"type": "string"}, "b": {"type": "integer"}});
    let with = |name: &str, list: Value| json!({"type": "object", "properties": properties.clone(), name: list});
    let a_or_b = json!([{"required": ["a"]}, {"required": ["b"]}]);
    let both = json!({"a": "x", "b": 1});
    let none = ".spec: none of the alternatives holds";
    assert_eq!(found(&with("oneOf", a_or_b.clone()), &json!({"a": "x"})), Vec::<String>::new());
    assert_eq!(found(&with("oneOf", a_or_b.clone()), &json!({})), [none]);
    assert_eq!(
        found(&with("oneOf", a_or_b.clone()), &both),
        [".spec: more than one of the alternatives holds"]
    );
    assert_eq!(found(&with("anyOf", a_or_b.clone()), &both), Vec::<String>::new());
    assert_eq!(found(&with("anyOf", a_or_b.clone()), &json!({})), [none]);
    assert_eq!(found(&with("allOf", a_or_b), &json!({"a": "x"})), [".spec.b: is missing"]);
    let not = json!({"properties": {"a": {"enum": ["x"]}}, "required": ["a"]});
    assert_eq!(found(&with("not", not.clone()), &both), [".spec: has a form that is ruled out"]);
    assert_eq!(found(&with("not", not), &json!({"a": "y"})), Vec::<String>::new());
}

#[test]
fn defaults_come_before_the_rules_as_on_the_server() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string", "default": "x"},
        "n": {"type": "integer", "default": 1, "minimum": 1}}, "anyOf": [{"required": ["a"]}]});
    assert_eq!(found(&schema, &json!({})), Vec::<String>::new());
    assert_eq!(found(&schema, &json!({"a": null, "n": null})), Vec::<String>::new());
}

#[test]
fn a_whole_object_inside_of_another_needs_its_kind() {
    let schema = json!({"type": "object", "properties": {"x": {"type": "object",
        "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}});
    let good = json!({"x": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}, "spec": {}}});
    assert_eq!(found(&schema, &good), Vec::<String>::new());
    assert_eq!(
        found(&schema, &json!({"x": {"kind": "Pod", "metadata": {"lables": {}}}})),
        [
            ".spec.x.metadata.lables: unknown field; did you mean `labels`?",
            ".spec.x.apiVersion: is missing",
        ]
    );
}

#[test]
fn a_pattern_that_cannot_be_compiled_is_told_and_never_a_silent_pass() {
    let schema =
        json!({"type": "object", "properties": {"x": {"type": "string", "pattern": "a(?=b)"}}});
    let checked = custom(&schema).check(&shop(&json!({"x": "b"})));
    assert!(checked.is_valid());
    assert_eq!(checked.unchecked, ["the pattern `a(?=b)` cannot be compiled here"]);
    // What only seems to hold rules nothing out.
    let odd = json!({"properties": {"x": {"pattern": "a(?=b)"}}});
    for alternatives in [json!({"not": odd.clone()}), json!({"oneOf": [odd.clone(), odd]})] {
        let mut schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
        schema.as_object_mut().unwrap().extend(alternatives.as_object().unwrap().clone());
        let checked = custom(&schema).check(&shop(&json!({"x": "b"})));
        assert!(checked.is_valid() && checked.unchecked.len() == 1, "{checked:?}");
    }
}

#[test]
fn rules_that_only_the_server_evaluates_are_counted() {
    let schema = json!({"type": "object", "x-kubernetes-validations": [{"rule": "true"}],
        "properties": {"x": {"type": "string", "x-kubernetes-validations": [{"rule": "a"}, {"rule": "b"}]}}});
    assert_eq!(custom(&schema).rules(), 3);
}

#[test]
fn metadata_is_checked_and_what_the_server_writes_is_tolerated() {
    let meta = |metadata: Value| {
        let object = object(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": metadata, "spec": {"template": {}}, "status": {"anything": 1}}));
        lines(&deployment().check(&object))
    };
    let copied = json!({"name": "web", "uid": "u", "resourceVersion": "1", "generation": 1,
        "creationTimestamp": null, "managedFields": [{"x": 1}], "selfLink": "/x"});
    assert_eq!(meta(copied), Vec::<String>::new());
    assert_eq!(
        meta(json!({"name": "Web", "lables": {}, "labels": {"a b": "x", "c": "y z", "d": 1},
            "annotations": {"Example.COM/x": "any thing"}})),
        [
            ".metadata.labels[\"a b\"]: the key is not valid, expected `name` or `prefix/name` of \
             letters, digits, `-`, `_` and `.`, 63 characters at most",
            ".metadata.labels.c: the value is not valid, expected letters, digits, `-`, `_` and `.`, \
             63 characters at most, a letter or digit at both ends",
            ".metadata.labels.d: is no string, expected a string, in quotes",
            ".metadata.lables: unknown field; did you mean `labels`?",
            ".metadata.name: is no valid name, expected lower-case letters, digits, `-` and `.`, \
             253 characters at most",
        ]
    );
    let note = |bytes: usize| meta(json!({"name": "a", "annotations": {"k": "x".repeat(bytes)}}));
    assert_eq!(note(ANNOTATIONS_BYTES_MAX - 1), Vec::<String>::new());
    assert_eq!(note(ANNOTATIONS_BYTES_MAX).len(), 1);
}

#[test]
fn gitops_13_no_value_of_a_secret_is_in_a_finding() {
    let document = r##"{"components": {"schemas": {"io.k8s.api.core.v1.Secret": {"type": "object",
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Secret"}],
        "properties": {"data": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}}}}}}"##;
    let gvk = GroupVersionKind::from_api_version("v1", "Secret");
    let schema = compile(document.as_bytes(), std::slice::from_ref(&gvk)).unwrap().remove(&gvk);
    let secret = object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
        "data": {"k": "canary!", "n": 7777777}}));
    let told = lines(&schema.unwrap().unwrap().check(&secret));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(!told.join("\n").contains("canary") && !told.join("\n").contains("7777"), "{told:?}");
}

#[test]
fn the_bounds_hold_at_their_values() {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    // Findings.
    let many: serde_json::Map<String, Value> =
        (0..=VIOLATIONS_MAX).map(|n| (format!("f{n}"), json!(1))).collect();
    let one = json!({"type": "object", "properties": {"known": {}}});
    assert_eq!(found(&one, &Value::Object(many)).len(), VIOLATIONS_MAX);
    // Levels of a schema: the root and `spec` are two of them.
    let nested = |levels: usize| {
        (0..levels).fold(open.clone(), |inner, _| json!({"type": "array", "items": inner}))
    };
    let deep = |levels: usize| {
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition", "metadata": {}, "spec": {"group": "g",
            "names": {"kind": "K"}, "versions": [{"name": "v1", "schema": {"openAPIV3Schema": nested(levels)}}]}});
        of_definition(&object(definition))
    };
    assert!(deep(DEPTH_MAX).is_ok());
    assert!(matches!(deep(DEPTH_MAX + 1), Err(SchemaError::TooDeep)));
    // Places.
    let wide = |count: usize| {
        let properties: serde_json::Map<String, Value> =
            (0..count).map(|n| (format!("p{n}"), json!({}))).collect();
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {}, "spec": {"group": "g", "names": {"kind": "K"}, "versions":
            [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": properties}}}]}})
    };
    assert!(of_definition(&object(wide(NODES_MAX - 1))).is_ok());
    assert!(matches!(of_definition(&object(wide(NODES_MAX))), Err(SchemaError::TooLarge)));
}

#[test]
fn an_object_is_walked_to_the_depth_and_the_steps_of_the_bounds() {
    let gvk = GroupVersionKind::from_api_version("g/v1", "K");
    let text = |inner: &str| {
        format!(
            r##"{{"components": {{"schemas": {{"K": {{"type": "object", {inner}
            "x-kubernetes-group-version-kind": [{{"group": "g", "version": "v1", "kind": "K"}}]}},
            "N": {{"type": "array", "items": {{"$ref": "#/components/schemas/N"}}}},
            "B": {{"anyOf": [{{"$ref": "#/components/schemas/C"}}, {{"$ref": "#/components/schemas/C"}}]}},
            "C": {{"type": "array", "minItems": 9, "items": {{"oneOf": [
              {{"$ref": "#/components/schemas/B"}}, {{"$ref": "#/components/schemas/B"}}]}}}}}}}}}}"##
        )
    };
    let check = |inner: &str, value: Value| {
        let found = compile(text(inner).as_bytes(), std::slice::from_ref(&gvk)).unwrap();
        let schema = found.into_values().next().unwrap().unwrap();
        schema.check(&object(json!({"apiVersion": "g/v1", "kind": "K", "x": value})))
    };
    let nested = |levels: usize| (0..levels).fold(json!([]), |inner, _| json!([inner]));
    let itself = r##""properties": {"x": {"$ref": "#/components/schemas/N"}},"##;
    assert_eq!(check(itself, nested(VALUE_DEPTH_MAX - 2)), Checked::default());
    let deeper = check(itself, nested(VALUE_DEPTH_MAX - 1));
    assert!(deeper.is_valid() && deeper.unchecked.len() == 1, "{deeper:?}");
    // Alternatives of alternatives double the work with each level.
    let doubling = r##""properties": {"x": {"$ref": "#/components/schemas/B"}},"##;
    let checked = check(doubling, nested(40));
    assert_eq!(checked.unchecked, ["the rest of it is not checked: it is too large"]);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({"type": "string"})),
            Just(json!({"type": "integer", "minimum": 1})),
            Just(json!({"type": "boolean", "default": true})),
            Just(json!({"type": "string", "pattern": "^[a-c]$", "nullable": true})),
            Just(json!({"$ref": "#/components/schemas/K"})),
            Just(json!({"x-kubernetes-int-or-string": true})),
            "\\PC{0,8}".prop_map(|text| json!({"type": text, "format": text, "pattern": text})),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let map = prop::collection::btree_map("[a-d]", inner.clone(), 0..3);
            prop_oneof![
                map.prop_map(|map| json!({"type": "object", "properties": map, "required": ["a"]})),
                inner.clone().prop_map(|inner| json!({"type": "array", "items": inner,
                    "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]})),
                inner.clone().prop_map(|inner| json!({"additionalProperties": inner})),
                prop::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({"anyOf": all})),
                prop::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({"oneOf": all})),
                inner.prop_map(
                    |inner| json!({"not": inner, "x-kubernetes-embedded-resource": true})
                ),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_document_makes_the_compiler_panic(
            schema in schema(),
            raw in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            fuzzing::compile_schema(&raw);
            fuzzing::compile_schema(schema.to_string().as_bytes());
            let mut root = schema.clone();
            if let Some(root) = root.as_object_mut() {
                root.insert("x-kubernetes-group-version-kind".to_owned(),
                    json!([{"group": "g", "version": "v1", "kind": "K"}]));
            }
            let document = json!({"components": {"schemas": {"K": root, "v1.K": schema}}});
            fuzzing::compile_schema(document.to_string().as_bytes());
        }

        #[test]
        fn what_has_only_known_fields_of_the_right_type_has_no_finding(
            fields in prop::collection::btree_map("[a-z]{1,6}", any::<i64>(), 0..6),
        ) {
            let properties: serde_json::Map<String, Value> =
                fields.keys().map(|name| (name.clone(), json!({"type": "integer"}))).collect();
            let schema = json!({"type": "object", "properties": properties});
            prop_assert_eq!(found(&schema, &json!(fields)), Vec::<String>::new());
            // One letter more is always found.
            for name in fields.keys() {
                let spec = json!({format!("{name}X"): 1});
                prop_assert_eq!(found(&schema, &spec).len(), 1);
            }
        }
    }
}
