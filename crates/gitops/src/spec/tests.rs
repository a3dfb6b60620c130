use super::*;
use objects::{GroupKind, ObjectRef};

fn wrong(change: impl FnOnce(&mut Spec)) -> Vec<String> {
    match Valid::for_test().with(change) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_period_is_written_back_without_loss_and_needs_a_unit() {
    for text in ["30s", "1m30s", "2h5m", "500ms", "1s1ms1us1ns", "0s"] {
        assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
    }
    assert_eq!("1.5h".parse::<Period>().unwrap().to_string(), "1h30m");
    assert!("30".parse::<Period>().is_err());
    assert!("1d".parse::<Period>().is_err());
}

#[test]
fn exactly_one_reference_is_wanted() {
    let one = "`spec.source.ref` must have exactly one of `branch`, `tag`, `semver` and `commit`";
    assert_eq!(wrong(|spec| spec.source.r#ref = RefSpec::default()), [one]);
    assert_eq!(wrong(|spec| spec.source.r#ref.tag = Some("v1".into())), [one]);
    let commit = |id: &str| RefSpec { commit: Some(id.into()), ..RefSpec::default() };
    assert_eq!(wrong(|spec| spec.source.r#ref = commit("abc1234")).len(), 1);
    let valid = Valid::for_test().with(|spec| spec.source.r#ref = commit(&"AB".repeat(20)));
    assert_eq!(*valid.unwrap().reference(), Reference::Commit("ab".repeat(20)));
    for name in ["a..b", "-x", "a b", "a.lock", "refs/heads/a", "/a", "a/", "@", "a@{1}", ""] {
        let problems = wrong(|spec| spec.source.r#ref.branch = Some(name.into()));
        assert_eq!(problems, ["`spec.source.ref.branch` is no name of a reference"], "{name}");
    }
    assert_eq!(wrong(|spec| spec.source.r#ref.branch = Some("team/x-1".into())), [""; 0]);
}

#[test]
fn gitops_15_a_url_with_credentials_is_refused_and_not_repeated() {
    let urls = [
        "https://user:hunter2@git.example/a.git",
        "https://hunter2@git.example/a.git",
        "ssh://git:hunter2@git.example/a.git",
        "git://git.example/a?hunter2",
        "hunter2",
    ];
    for url in urls {
        let problems = wrong(|spec| spec.source.url = url.into());
        assert_eq!(problems.len(), 1, "{url}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
    for url in ["ssh://git@git.example/a.git", "git@git.example:a.git", "file:///srv/a.git"] {
        assert_eq!(wrong(|spec| spec.source.url = url.into()), [""; 0]);
    }
}

#[test]
fn gitops_15_a_path_stays_in_the_tree() {
    for path in ["/etc", "../a", "a/../../b", "a\\..\\b", "a\nb"] {
        assert_eq!(wrong(|spec| spec.source.path = path.into()).len(), 1, "{path}");
    }
    assert_eq!(wrong(|spec| spec.source.path = "a/..b/c".into()), [""; 0]);
}

#[test]
fn a_team_acts_only_as_its_own_account_and_reads_no_file_of_the_host() {
    let single = Valid::for_test();
    let check = |change: fn(&mut Spec)| {
        let mut sync = single.sync().clone();
        change(&mut sync.spec);
        Valid::new(sync, Tenancy::Multi).map_or_else(|problems| problems.len(), |_| 0)
    };
    assert_eq!(check(|_| ()), 1);
    assert_eq!(check(|spec| spec.service_account_name = Some("deploy".into())), 0);
    assert_eq!(check(|spec| spec.source.url = "file:///etc".into()), 2);
    let elsewhere = |spec: &mut Spec| {
        spec.depends_on = vec![Dependency {
            name: "base".into(),
            namespace: Some("infra".into()),
            ready_expr: None,
        }];
    };
    assert_eq!(check(elsewhere), 2);
}

#[test]
fn gitops_16_signatures_without_keys_and_keys_without_a_mode_are_refused() {
    let keys = Some(KeySource { name: "keys".into(), ..KeySource::default() });
    assert_eq!(wrong(|spec| spec.source.verify.mode = VerifyMode::Head).len(), 1);
    assert_eq!(wrong(|spec| spec.source.verify.pgp_keys = keys.clone()).len(), 1);
    let both = |spec: &mut Spec| {
        spec.source.verify.mode = VerifyMode::EveryCommit;
        spec.source.verify.allowed_signers = keys.clone();
    };
    assert_eq!(wrong(both), [""; 0]);
}

#[test]
fn the_limits_of_a_spec_hold_at_their_bounds() {
    let interval = |duration| wrong(|spec| spec.interval = Period(duration)).len();
    assert_eq!([interval(INTERVAL_MIN), interval(INTERVAL_MAX)], [0, 0]);
    let nano = Duration::from_nanos(1);
    assert_eq!([interval(INTERVAL_MIN - nano), interval(INTERVAL_MAX + nano)], [1, 1]);
    let dependency = Dependency { name: "a".into(), ..Dependency::default() };
    let depends = |count| wrong(|spec| spec.depends_on = vec![dependency.clone(); count]).len();
    assert_eq!([depends(DEPENDENCIES_MAX), depends(DEPENDENCIES_MAX + 1)], [0, 1]);
    let rule = IgnoreRule { managers: vec!["hpa".into()], ..IgnoreRule::default() };
    let ignore = |count| wrong(|spec| spec.ignore = vec![rule.clone(); count]).len();
    assert_eq!([ignore(IGNORE_RULES_MAX), ignore(IGNORE_RULES_MAX + 1)], [0, 1]);
    let url = |len: usize| wrong(|s| s.source.url = format!("https://{}", "a".repeat(len))).len();
    assert_eq!([url(URL_BYTES_MAX - 8), url(URL_BYTES_MAX - 7)], [0, 1]);
    assert_eq!(wrong(|spec| spec.prune.max_percent = 101).len(), 1);
    let retry = |limit| wrong(|spec| spec.retry.limit = Some(limit)).len();
    assert_eq!([retry(RETRY_LIMIT_MAX), retry(RETRY_LIMIT_MAX + 1)], [0, 1]);
}

#[test]
fn an_ignore_rule_speaks_of_what_its_selectors_match() {
    let id = ObjectRef::new(GroupKind::new("apps", "Deployment"), "shop", "web-1");
    let matches = |group: Option<&str>, kind: Option<&str>, name: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (group, kind, name) = (text(group), text(kind), text(name));
        IgnoreRule { group, kind, name, ..IgnoreRule::default() }.matches(&id)
    };
    assert!(matches(None, None, None));
    assert!(matches(Some("apps"), Some("Deployment"), Some("web-*")));
    assert!(matches(Some("extensions"), Some("Deployment"), None));
    assert!(!matches(Some(""), None, None));
    assert!(!matches(None, Some("StatefulSet"), None));
    for (pattern, text, fits) in
        [("*", "", true), ("a*c", "abc", true), ("a*c", "ab", false), ("*b*b", "ab", false)]
    {
        assert_eq!(super::policy::glob(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn a_pointer_names_something_inside_of_an_object() {
    for (pointer, fits) in
        [("/spec/replicas", true), ("/a~1b", true), ("/a~2", false), ("spec", false), ("/", false)]
    {
        let rule = IgnoreRule {
            kind: Some("Deployment".into()),
            pointers: vec![pointer.into()],
            ..IgnoreRule::default()
        };
        assert_eq!(wrong(|spec| spec.ignore = vec![rule]).is_empty(), fits, "{pointer}");
    }
}

#[test]
fn unknown_fields_of_a_newer_server_are_left_alone() {
    let value = serde_json::json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {"name": "a", "namespace": "b", "managedFields": []},
        "spec": {"source": {"url": "https://h/a", "ref": {"branch": "main"}, "shallow": true}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "later": 1},
    });
    let sync = GitSync::from_value(value).unwrap();
    assert_eq!(sync.spec.interval, Period(INTERVAL_DEFAULT));
    assert!(Valid::new(sync, Tenancy::Single).is_ok());
}

#[test]
fn a_reconcile_request_is_answered_once() {
    let mut sync = Valid::for_test().sync().clone();
    assert_eq!(sync.reconcile_request(), None);
    sync.metadata.annotations.insert(RECONCILE_ANNOTATION.into(), "1".into());
    assert_eq!(sync.reconcile_request(), Some("1"));
    let last_handled_reconcile_at = Some("1".to_owned());
    sync.status = Some(Status { last_handled_reconcile_at, ..Status::default() });
    assert_eq!(sync.reconcile_request(), None);
}

#[test]
fn the_status_keeps_no_more_than_its_bounds() {
    let mut status = Status::default();
    for second in 0..20 {
        let started_at = Some(jiff::Timestamp::from_second(second).unwrap());
        status.record(Operation { started_at, ..Operation::default() });
        status.record(Operation { started_at, outcome: Outcome::Failed, ..Operation::default() });
    }
    assert_eq!(status.history.len(), STATUS_HISTORY_MAX);
    assert_eq!(status.history[0], status.last_operation.clone().unwrap());
    assert_eq!(status.history[1].started_at.unwrap().as_second(), 18);
    let drift = Drift { fields: vec![".a".into(); 50], ..Drift::default() };
    status.set_drift(vec![drift; 100]);
    assert_eq!((status.drift.len(), status.drift_total), (STATUS_DRIFT_MAX, 100));
    assert_eq!(status.drift[0].fields.len(), DRIFT_FIELDS_MAX);
    assert_eq!(bounded("ä".repeat(5000)).len(), MESSAGE_BYTES_MAX);
}

#[test]
fn a_ready_expression_decides_about_its_dependency() {
    let depends = |expression: &str| {
        let ready_expr = Some(expression.to_owned());
        let dependency = Dependency { name: "base".into(), namespace: None, ready_expr };
        Valid::for_test().with(|spec| spec.depends_on = vec![dependency])
    };
    let valid = depends("dep.status.appliedRevision == self.status.fetchedRevision").unwrap();
    let mut other = GitSync::default();
    assert_eq!(valid.not_ready(0, None).unwrap(), "there is no such GitSync");
    assert_eq!(
        valid.not_ready(0, Some(&other)).unwrap(),
        "its readyExpr cannot be evaluated: 1:5: no such key: status"
    );
    let valid = depends("dep.status.healthyRevision.startsWith('ab')").unwrap();
    let healthy_revision = Some("abc".to_owned());
    other.status = Some(Status { healthy_revision, ..Status::default() });
    assert_eq!(valid.not_ready(0, Some(&other)), None);
    let problems = depends("dpe.status").unwrap_err();
    assert_eq!(problems[0].field, "spec.dependsOn[0].readyExpr");
    assert_eq!(problems[0].hint.as_ref().unwrap().as_str(), "did you mean `dep`?");
}
