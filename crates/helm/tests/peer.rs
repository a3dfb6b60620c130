//! Renderings by the real helm, under bounds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use helm::{Bounds, Helm, HelmError, Network, Request};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The chart of `testdata/helm/web.txt`: `-- PATH --` begins a file.
fn chart() -> BTreeMap<String, Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/helm/web.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut files = BTreeMap::new();
    let mut name = String::new();
    for line in text.split_inclusive('\n') {
        let marked = line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
        if let Some(path) = marked {
            name = path.to_owned();
            files.insert(name.clone(), Vec::new());
        } else if let Some(bytes) = files.get_mut(&name) {
            bytes.extend_from_slice(line.as_bytes());
        }
    }
    files
}

fn request() -> Request {
    Request {
        release: "rel".to_owned(),
        namespace: "shop".to_owned(),
        chart: chart(),
        kube_version: "1.33.0".to_owned(),
        api_versions: vec!["example.com/v1".to_owned()],
        ..Request::default()
    }
}

fn helm(test: &str) -> Option<Helm> {
    match testbed::peer("helm") {
        Ok(program) => Some(Helm::find(Some(&program)).unwrap()),
        Err(missing) => {
            println!("SKIP {test}: {missing}");
            None
        }
    }
}

#[test]
fn a_chart_is_rendered_with_the_given_values_and_capabilities_and_its_hooks() {
    let Some(helm) = helm("a_chart_is_rendered_with_the_given_values") else { return };
    let mut request = request();
    request.values_files = vec![b"name: file\nreplicas: 2\n".to_vec()];
    request.values = Some(json!({"name": "inline"}));
    request.include_crds = true;
    let text = helm.render_twice(&request, &Bounds::default()).unwrap();
    for expected in [
        "name: inline-rel-shop",
        "replicas: \"2\"",
        "kube: v1.33.0",
        "hasExample: \"true\"",
        "helm.sh/hook: pre-install",
        "kind: CustomResourceDefinition",
        "looked: \"map[]\"",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn gitops_17_output_that_differs_from_run_to_run_is_named_by_document_and_line() {
    let Some(helm) = helm("gitops_17_output_that_differs") else { return };
    let mut request = request();
    request.values = Some(json!({"random": true}));
    let error = helm.render_twice(&request, &Bounds::default()).unwrap_err();
    let HelmError::NotDeterministic { document, line } = error else { panic!("{error}") };
    assert_eq!((document.as_str(), line), ("templates/config.yaml", 13));
}

#[test]
fn an_error_of_a_template_has_its_file_and_line() {
    let Some(helm) = helm("an_error_of_a_template_has_its_file_and_line") else { return };
    let mut request = request();
    request.values = Some(json!({"fail": true}));
    let error = helm.render(&request, &Bounds::default()).unwrap_err();
    assert!(error.to_string().starts_with("templates/config.yaml:14: "), "{error}");
    request.chart.remove("Chart.yaml");
    let error = helm.render(&request, &Bounds::default()).unwrap_err();
    assert!(matches!(error, HelmError::Refused { .. }), "{error}");
}

/// A program that stands for helm.
fn stand_in(folder: &std::path::Path, script: &str) -> Helm {
    let path = folder.join("helm");
    // A child writes it: while this process had it open for writing, a child of another test could
    // have that descriptor, too, and nobody can run such a file ("text file busy").
    let mut write = std::process::Command::new("sh");
    write.args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod 755 \"$0\""]);
    assert!(write.arg(&path).arg(script).status().unwrap().success());
    Helm::find(Some(&path)).unwrap()
}

#[test]
fn gitops_17_a_run_that_takes_too_long_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script =
        format!("sleep 1000 & echo $! > {}; pwd >> {}; wait", pid.display(), pid.display());
    let helm = stand_in(folder.path(), &script);
    let bounds = Bounds { timeout: Duration::from_secs(2), ..Bounds::default() };
    let error = helm.render(&request(), &bounds).unwrap_err();
    assert!(matches!(error, HelmError::Timeout { .. }), "{error}");
    let text = std::fs::read_to_string(&pid).unwrap();
    let (child, home) = text.trim().split_once('\n').unwrap();
    // The signal is sent; the kernel carries it out a moment later.
    let is_gone = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    while !is_gone() {
        std::thread::yield_now();
    }
    assert!(!std::path::Path::new(home).exists(), "{home} is left");
}

#[test]
fn gitops_17_a_run_inherits_nothing_and_its_limits_are_set() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "env | sort; ulimit -c; cat /proc/self/limits; ls -la ..; echo \"$@\"; cat values/*";
    // The limits are there soon after the start: wait for the one that is never the default.
    let script = format!("while [ \"$(ulimit -f)\" = unlimited ]; do :; done; {script}");
    let helm = stand_in(folder.path(), &script);
    let mut request = request();
    request.values = Some(json!({"password": "canary"}));
    let text = helm.render(&request, &Bounds::default()).unwrap();
    let names: Vec<&str> = text
        .lines()
        .take_while(|line| line.contains('='))
        .filter_map(|l| l.split('=').next())
        .collect();
    assert!(
        names.iter().all(|name| ["HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)),
        "{names:?}"
    );
    assert!(text.contains("{\"password\":\"canary\"}"));
    let arguments = text.lines().find(|line| line.starts_with("template rel chart")).unwrap();
    assert!(!arguments.contains("canary"), "{arguments}");
    for limit in [
        "Max cpu time              60",
        "Max file size             67108864",
        "Max address space         4294967296",
    ] {
        assert!(text.contains(limit), "{limit} in\n{text}");
    }
}

#[test]
fn gitops_17_output_beyond_the_cap_is_refused_and_at_the_cap_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let helm = stand_in(folder.path(), "printf 12345678");
    let bounds = |output_bytes| Bounds { output_bytes, ..Bounds::default() };
    assert_eq!(helm.render(&request(), &bounds(8)).unwrap(), "12345678");
    let error = helm.render(&request(), &bounds(7)).unwrap_err();
    assert_eq!(error.to_string(), "the output of helm exceeds the limit of 7 bytes");
    let helm = stand_in(folder.path(), "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done");
    assert!(helm.render(&request(), &bounds(100_000)).is_err());
}

#[test]
fn gitops_17_as_root_a_run_sees_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let helm = stand_in(folder.path(), "cat /proc/net/dev");
    if let Network::Shared { reason } = helm.network() {
        println!("SKIP gitops_17_as_root_a_run_sees_no_network: {reason}");
        return;
    }
    let text = helm.render(&request(), &Bounds::default()).unwrap();
    let devices: Vec<&str> =
        text.lines().skip(2).filter_map(|l| l.trim().split(':').next()).collect();
    assert!(devices.iter().all(|name| !name.starts_with("eth")), "{devices:?}");
    assert!(devices.contains(&"lo"), "{text}");
}

#[test]
fn a_program_that_is_not_there_is_said_so() {
    let error = Helm::find(Some("/no/such/helm".as_ref())).unwrap_err();
    assert_eq!(error.to_string(), "there is no `helm` at /no/such/helm");
}
