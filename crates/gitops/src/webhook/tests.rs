use super::*;
use crate::spec::{Reference, WebhookProvider};
use base64::Engine;
use jiff::Timestamp;
use proptest::prelude::*;
use ring::hmac;

const SECRET: &[u8] = b"It's a Secret to Everybody";
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn sign(parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(headers: &[(&str, &str)], body: &[u8]) -> Result<WebhookProvider, WebhookError> {
    verify(Headers(headers), body, &[SECRET], None, now()).map(|a| a.provider())
}

#[test]
fn gitops_14_the_published_vector_of_github_is_believed_and_nothing_next_to_it() {
    let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let with = |signature: &str, body: &[u8]| {
        check(&[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", signature)], body)
    };
    assert_eq!(with(good, b"Hello, World!"), Ok(WebhookProvider::GitHub));
    let upper = good.to_uppercase().replace("SHA256", "sha256");
    assert_eq!(with(&upper, b"Hello, World!"), Ok(WebhookProvider::GitHub));
    for (signature, body) in [
        (good, b"Hello, World?".as_slice()),
        (good.strip_prefix("sha256=").unwrap(), b"Hello, World!"),
        ("sha256=", b"Hello, World!"),
        ("sha256=zz", b"Hello, World!"),
        (good.get(..70).unwrap(), b"Hello, World!"),
        ("", b"Hello, World!"),
    ] {
        let error = with(signature, body).unwrap_err();
        assert_eq!(error.http_status(), 401, "{signature}");
    }
}

#[test]
fn gitops_14_the_most_specific_header_decides() {
    let body = b"{}";
    let tag = hex(&sign(&[body]));
    let hub = format!("sha256={tag}");
    let all = [
        ("x-github-event", "push"),
        ("x-hub-signature-256", hub.as_str()),
        ("x-gogs-event", "push"),
        ("x-gogs-signature", tag.as_str()),
        ("x-gitea-event", "push"),
        ("x-gitea-signature", tag.as_str()),
        ("x-forgejo-event", "push"),
        ("x-forgejo-signature", tag.as_str()),
    ];
    let providers = ["GitHub", "Gogs", "Gitea", "Forgejo"];
    for (count, provider) in providers.iter().enumerate() {
        let headers = &all[..2 * (count + 1)];
        assert_eq!(format!("{:?}", check(headers, body).unwrap()), *provider);
        // The signatures of the others do not stand in for its own.
        assert!(check(&headers[..headers.len() - 1], body).is_err());
    }
}

#[test]
fn gitops_14_a_missing_a_short_and_a_doubled_secret_or_signature_are_unauthorized() {
    let tag = hex(&sign(&[b"{}"]));
    let one = [("X-Gitea-Event", "push"), ("X-Gitea-Signature", tag.as_str())];
    let verify = |headers: &[(&str, &str)], secrets: &[&[u8]], only| {
        verify(Headers(headers), b"{}", secrets, only, now()).is_ok()
    };
    assert!(verify(&one, &[b"another secret", SECRET], None));
    assert!(verify(&one, &[SECRET], Some(WebhookProvider::Gitea)));
    assert!(!verify(&one, &[SECRET], Some(WebhookProvider::Forgejo)));
    assert!(!verify(&one, &[], None));
    assert!(!verify(&[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "")], &[b""], None));
    assert!(!verify(&[("Authorization", "Bearer 1234567")], &[b"1234567"], None));
    assert!(verify(&[("Authorization", "Bearer 12345678")], &[b"12345678"], None));
    assert!(!verify(&[one[0], one[1], one[1]], &[SECRET], None));
    assert!(!verify(&one[..1], &[SECRET], None));
    assert!(!verify(&[], &[SECRET], None));
    let many: Vec<&[u8]> =
        [[b"another secret".as_slice()].repeat(SECRETS_MAX), vec![SECRET]].concat();
    assert!(verify(&one, &many[1..], None));
    assert!(!verify(&one, &many, None), "more secrets than the bound");
}

#[test]
fn gitops_14_a_body_over_the_cap_is_refused_before_it_is_looked_at() {
    let body = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(check(&[], &body), Err(WebhookError::TooLarge));
    assert_eq!(check(&[], &body[1..]).unwrap_err().http_status(), 401);
}

#[test]
fn gitlab_is_believed_by_token_or_by_signature_and_a_signature_is_not_bypassed() {
    let token = ("X-Gitlab-Token", std::str::from_utf8(SECRET).unwrap());
    let event = ("X-Gitlab-Event", "Push Hook");
    assert_eq!(check(&[event, token], b"{}"), Ok(WebhookProvider::GitLab));
    assert!(check(&[event, ("X-Gitlab-Token", "It's a secret to everybody")], b"{}").is_err());
    let signed = |age: i64, signature: &str| {
        let time = (now().as_second() - age).to_string();
        let tag = sign(&[b"msg_1.", time.as_bytes(), b".", b"{}"]);
        let tag = base64::engine::general_purpose::STANDARD.encode(tag);
        let signature = signature.replace("TAG", &tag);
        let headers = [
            event,
            token,
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let authentic = verify(Headers(&headers), b"{}", &[SECRET], None, now());
        authentic.map(|authentic| authentic.delivery() == Some("msg_1"))
    };
    assert_eq!(signed(0, "v1,TAG"), Ok(true));
    assert_eq!(signed(0, "v1,AAAA v1a,xx v1,TAG"), Ok(true));
    assert_eq!(signed(300, "v1,TAG"), Ok(true));
    assert_eq!(signed(-300, "v1,TAG"), Ok(true));
    assert!(signed(301, "v1,TAG").is_err() && signed(-301, "v1,TAG").is_err());
    assert!(signed(0, "v1,AAAA").is_err(), "the token beside it does not help");
    assert!(signed(0, &format!("{}v1,TAG", "v1,AAAA ".repeat(3))).is_ok());
}

#[test]
fn a_standard_secret_is_decoded_from_its_text_form() {
    let text = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(SECRET));
    assert_eq!(standard_key(text.as_bytes()).unwrap(), SECRET);
    assert_eq!(standard_key(SECRET).unwrap(), SECRET);
    assert_eq!(standard_key(b"whsec_AAAA"), None);
    assert_eq!(standard_key(b"whsec_!"), None);
}

fn read(provider: WebhookProvider, event: &str, body: &str) -> Result<Event, WebhookError> {
    Authentic::unproven(provider, event, body.as_bytes()).read()
}

fn push(provider: WebhookProvider, event: &str, body: &str) -> Push {
    match read(provider, event, body).unwrap() {
        Event::Push(push) => push,
        other => panic!("{other:?}"),
    }
}

const HUB: &str = r#"{"ref":"refs/heads/main","before":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "after":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","commits":[{"message":"x"}],
    "repository":{"clone_url":"https://git.example/team/shop.git",
    "ssh_url":"git@ssh.git.example:team/shop.git"},"pusher":{"name":"ann\n"}}"#;

#[test]
fn a_push_of_github_and_its_like_is_read_in_json_and_as_a_form() {
    let form = HUB.bytes().fold("payload=".to_owned(), |text, byte| text + &format!("%{byte:02X}"));
    for (provider, body) in [
        (WebhookProvider::GitHub, HUB),
        (WebhookProvider::Forgejo, HUB),
        (WebhookProvider::GitHub, form.as_str()),
    ] {
        let push = push(provider, "push", body);
        assert_eq!(push.pusher.as_deref(), Some("ann"));
        let main = Reference::Branch("main".into());
        let concern = push.concerns("ssh://git@ssh.git.example/team/shop", &main).unwrap();
        assert_eq!(concern.revision(), Some(B));
        assert_eq!(concern.change.unwrap().before.as_deref(), Some(A));
        assert!(push.concerns("https://git.example/team/shop2", &main).is_none());
    }
    let ping = read(WebhookProvider::GitHub, "ping", "{}");
    assert_eq!(ping, Ok(Event::Ping));
    let other = read(WebhookProvider::Gitea, "issues", "not json");
    assert_eq!(other, Ok(Event::Other("issues".into())));
}

#[test]
fn gitops_14_a_branch_and_a_tag_of_the_same_name_are_told_apart() {
    let url = "https://git.example/team/shop";
    let tag = push(WebhookProvider::GitHub, "push", &HUB.replace("refs/heads/", "refs/tags/"));
    assert!(tag.concerns(url, &Reference::Branch("main".into())).is_none());
    assert!(tag.concerns(url, &Reference::Tag("main".into())).is_some());
    assert!(tag.concerns(url, &Reference::Semver("1.x".into())).is_some());
    let branch = push(WebhookProvider::GitHub, "push", HUB);
    assert!(branch.concerns(url, &Reference::Tag("main".into())).is_none());
    assert!(branch.concerns(url, &Reference::Commit(B.into())).is_some());
    assert!(branch.concerns(url, &Reference::Commit(A.into())).is_none());
    let note = push(WebhookProvider::GitHub, "push", &HUB.replace("refs/heads/", "refs/notes/"));
    assert!(note.changes.is_empty());
    let gone = HUB.replace("refs/heads/main", "main");
    let gone = gone.replacen('{', r#"{"ref_type":"branch","#, 1);
    let gone = push(WebhookProvider::Gitea, "delete", &gone);
    assert!(gone.changes[0].deleted && gone.changes[0].kind == RefKind::Branch);
    assert!(gone.changes[0].after.is_none());
}

#[test]
fn pushes_of_gitlab_are_read_and_deletions_are_seen() {
    let body = format!(
        r#"{{"object_kind":"tag_push","ref":"refs/tags/v1","before":"{ZERO}","after":"{A}",
        "checkout_sha":"{B}","user_username":"ann","project":{{
        "git_http_url":"https://lab.example/team/shop.git"}}}}"#
    );
    let made = push(WebhookProvider::GitLab, "Tag Push Hook", &body);
    assert_eq!(made.changes[0].after.as_deref(), Some(B));
    assert_eq!((made.changes[0].before.clone(), made.changes[0].deleted), (None, false));
    let body = body.replace(A, ZERO).replace(&format!("\"{B}\""), "null");
    let gone = push(WebhookProvider::GitLab, "System Hook", &body);
    assert!(gone.changes[0].deleted);
    let other = read(WebhookProvider::GitLab, "System Hook", r#"{"object_kind":"merge_request"}"#);
    assert_eq!(other, Ok(Event::Other("merge_request".into())));
}

#[test]
fn pushes_of_both_bitbuckets_are_read_with_all_their_changes() {
    let cloud = format!(
        r#"{{"push":{{"changes":[
        {{"new":{{"type":"branch","name":"main","target":{{"hash":"{B}"}}}},
          "old":{{"type":"branch","name":"main","target":{{"hash":"{A}"}}}}}},
        {{"new":null,"old":{{"type":"tag","name":"v1","target":{{"hash":"{A}"}}}}}}]}},
        "repository":{{"full_name":"team/shop",
        "links":{{"html":{{"href":"https://bitbucket.example/team/shop"}}}}}},
        "actor":{{"nickname":"ann"}}}}"#
    );
    let push_cloud = push(WebhookProvider::Bitbucket, "repo:push", &cloud);
    let main = Reference::Branch("main".into());
    let concern = push_cloud.concerns("git@bitbucket.example:team/shop.git", &main).unwrap();
    assert_eq!(concern.revision(), Some(B));
    assert!(push_cloud.changes[1].deleted && push_cloud.changes[1].kind == RefKind::Tag);
    let server = format!(
        r#"{{"actor":{{"name":"ann"}},"repository":{{"slug":"shop","project":{{"key":"TEAM"}}}},
        "changes":[{{"ref":{{"id":"refs/heads/main","type":"BRANCH"}},"fromHash":"{A}",
        "toHash":"{B}","type":"UPDATE"}}]}}"#
    );
    let push_server = push(WebhookProvider::Bitbucket, "repo:refs_changed", &server);
    let url = "https://git.example/scm/team/shop.git";
    assert_eq!(push_server.concerns(url, &main).unwrap().revision(), Some(B));
    assert!(push_server.concerns("https://git.example/scm/team/workshop", &main).is_none());
    let one = r#"{"ref":{"id":"refs/heads/x"}}"#;
    let many = vec![one; CHANGES_MAX + 1].join(",");
    let many =
        format!(r#"{{"repository":{{"slug":"a","project":{{"key":"b"}}}},"changes":[{many}]}}"#);
    let many = push(WebhookProvider::Bitbucket, "repo:refs_changed", &many);
    assert_eq!((many.changes.len(), many.more), (CHANGES_MAX, true));
    assert!(many.concerns("https://h/b/a", &main).unwrap().change.is_none());
}

#[test]
fn a_generic_sender_may_say_as_little_as_that_there_is_news() {
    let generic = |body: &str| read(WebhookProvider::Generic, "", body);
    assert_eq!(generic(" \n"), Ok(Event::Nudge));
    assert_eq!(generic("{}"), Ok(Event::Nudge));
    let push = push(WebhookProvider::Generic, "", r#"{"url":"https://h/a.git"}"#);
    assert!(push.concerns("https://h/a", &Reference::Branch("x".into())).is_some());
    assert!(generic("[1]").is_err());
}

#[test]
fn a_push_without_a_repository_or_with_broken_json_is_unreadable() {
    for body in ["", "{", "{}", r#"{"ref":1}"#, r#"{"ref":"refs/heads/a","repository":{}}"#] {
        let error = read(WebhookProvider::GitHub, "push", body).unwrap_err();
        assert_eq!(error.http_status(), 400, "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(WebhookProvider::GitHub, "push", &deep).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_webhook_reader_panic(
        raw in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..300, with in "\\PC{0,8}",
    ) {
        crate::fuzzing::webhook(&raw);
        let mut text: Vec<char> = HUB.chars().collect();
        let at = at.min(text.len());
        let end = (at + 2).min(text.len());
        text.splice(at..end, with.chars());
        let mut bytes = vec![3];
        bytes.extend(text.into_iter().collect::<String>().bytes());
        crate::fuzzing::webhook(&bytes);
    }

    #[test]
    fn gitops_14_one_changed_bit_of_the_body_is_never_believed(
        body in prop::collection::vec(any::<u8>(), 1..100), bit in any::<usize>(),
    ) {
        let tag = hex(&sign(&[&body]));
        let headers = [("x-gitea-event", "push"), ("x-gitea-signature", tag.as_str())];
        prop_assert!(check(&headers, &body).is_ok());
        let mut other = body.clone();
        let bit = bit % (body.len() * 8);
        other[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check(&headers, &other).is_err());
    }
}
