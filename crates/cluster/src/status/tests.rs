use super::*;
use model::{Explain, Retry};
use serde_json::{Value, json};

fn about() -> About {
    About {
        verb: "apply",
        subject: "Deployment.apps shop/web".to_owned(),
        resource: "deployments.apps".to_owned(),
        gvk: Some(GroupVersionKind::from_api_version("apps/v1", "Deployment")),
        address: "https://h:6443".to_owned(),
    }
}

fn error(code: u16, reason: &str, message: &str, details: &Value) -> ClusterError {
    let body = json!({"kind": "Status", "code": code, "reason": reason, "message": message,
        "details": details});
    let body = serde_json::to_vec(&body).unwrap();
    Status::read(StatusCode::from_u16(code).unwrap(), &body).into_error(&about(), None)
}

#[test]
fn the_authoriser_and_admission_are_told_apart() {
    let denied = |message| error(403, "Forbidden", message, &json!({})).to_string();
    assert_eq!(
        denied(
            r#"deployments.apps "web" is forbidden: User "u" cannot update resource "deployments/scale" in API group "apps" in the namespace "shop": no"#
        ),
        "user u may not update deployments.apps/scale in namespace shop"
    );
    assert_eq!(
        denied(
            r#"nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope"#
        ),
        "user u may not list nodes at cluster scope"
    );
    assert_eq!(
        denied(r#"forbidden: User "system:anonymous" cannot get path "/apis""#),
        "user system:anonymous may not get /apis at cluster scope"
    );
    assert_eq!(
        denied(r#"pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged"#),
        r#"Deployment.apps shop/web was denied: pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged"#
    );
}

#[test]
fn conflicts_name_every_field_and_its_owner() {
    let cause = |field, message| json!({"reason": "FieldManagerConflict", "field": field, "message": message});
    let conflict = error(
        409,
        "Conflict",
        "Apply failed",
        &json!({"causes": [
            cause(".spec.template", r#"conflict with "kubectl" using apps/v1"#),
            cause(".spec.replicas", r#"conflict with "kube-controller-manager" with subresource "scale" using apps/v1"#),
        ]}),
    );
    assert_eq!(
        conflict.to_string(),
        "Deployment.apps shop/web has fields that others own: \
         .spec.replicas (kube-controller-manager), .spec.template (kubectl)"
    );
    assert!(matches!(
        error(409, "Conflict", "the UID differs", &json!({})),
        ClusterError::Changed { .. }
    ));
    assert!(matches!(
        error(409, "AlreadyExists", "x", &json!({})),
        ClusterError::AlreadyExists { .. }
    ));
}

#[test]
fn a_missing_object_namespace_or_kind_are_told_apart() {
    let missing = |details| error(404, "NotFound", "not found", &details).to_string();
    assert_eq!(
        missing(json!({"name": "web", "kind": "deployments"})),
        "Deployment.apps shop/web does not exist"
    );
    assert_eq!(
        missing(json!({"name": "shop", "kind": "namespaces"})),
        "namespace shop of Deployment.apps shop/web does not exist"
    );
    assert_eq!(missing(json!({})), "the cluster does not know the kind apps/v1 Deployment");
}

#[test]
fn a_document_that_does_not_fit_the_schema_is_invalid_and_never_tried_again() {
    let message = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors:\n  .spec.a: field not declared in schema\n  .spec.b: expected string, got &value.valueUnstructured{Value:1}";
    let invalid = error(500, "", message, &json!({}));
    assert_eq!(invalid.retry(), Retry::Never);
    assert_eq!(
        invalid.to_string(),
        "Deployment.apps shop/web is not valid: .spec.a: field not declared in schema; \
         .spec.b: expected string, got 1"
    );
}

#[test]
fn an_immutable_field_is_named() {
    let details = json!({"causes": [{"field": "spec.selector", "message": "Invalid value: field is immutable"}]});
    let immutable = error(422, "Invalid", "x is invalid: field is immutable", &details);
    assert_eq!(
        immutable.to_string(),
        "Deployment.apps shop/web cannot be changed in place: \
         spec.selector: Invalid value: field is immutable"
    );
}

#[test]
fn gitops_19_a_claim_that_shrinks_is_told_as_immutable() {
    for message in [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
        "spec.resources.requests.storage: Forbidden: field can not be less than previous value",
        "spec: Forbidden: spec is immutable after creation except resources.requests and \
         volumeAttributesClassName for bound claims",
    ] {
        let told = error(422, "Invalid", message, &json!({})).to_string();
        assert!(told.contains("cannot be changed in place"), "{told}");
    }
}

#[test]
fn an_answer_that_is_no_status_is_cut_to_its_first_line() {
    let page = format!("<html>{}\nsecond", "x".repeat(1000));
    let status = Status::read(StatusCode::BAD_GATEWAY, page.as_bytes());
    assert_eq!(status.message.chars().count(), FOREIGN_MESSAGE_CHARS_MAX);
    assert!(matches!(status.into_error(&about(), None), ClusterError::Server { code: 502, .. }));
    assert_eq!(Status::read(StatusCode::NOT_FOUND, b"").message, "Not Found");
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic(code in 400u16..600, message in ".{0,200}", reason in ".{0,20}") {
        let _ = error(code, &reason, &message, &json!({"causes": [{"message": message}]}));
        let _ = Status::read(StatusCode::from_u16(code).unwrap(), message.as_bytes());
    }
}
