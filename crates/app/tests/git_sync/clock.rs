//! The wall clock of the process jumps by hours; elapsed time does not.

use crate::bed::{Bed, config_map};
use crate::running::{Running, WAIT};
use crate::support::Desk;
use std::path::{Path, PathBuf};
use std::time::Instant;
use testkit::git::Repository;
use testkit::proxy::Proxy;

/// Jumps forward, back past the beginning, and home again: what the wall clock is off, in hours.
const JUMPS: [i64; 3] = [5, -5, 0];

/// The wall clock of the processes of one desk.
struct Wall(PathBuf);

impl Wall {
    /// None, and said so, where the library is not installed.
    fn of(desk: &mut Desk) -> Option<Self> {
        let library = std::fs::read_dir("/usr/lib").ok()?.map_while(Result::ok).find_map(|entry| {
            let library = entry.path().join("faketime/libfaketime.so.1");
            library.is_file().then_some(library)
        });
        let Some(library) = library else {
            testkit::cluster::skip("libfaketime is not installed");
            return None;
        };
        let wall = Self(desk.dir.path().join("wall"));
        wall.jump(0);
        desk.variable("LD_PRELOAD", library);
        desk.variable("FAKETIME_TIMESTAMP_FILE", &wall.0);
        desk.variable("FAKETIME_NO_CACHE", "1");
        desk.variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        desk.variable("NO_FAKE_STAT", "1");
        Some(wall)
    }

    fn jump(&self, hours: i64) {
        // As a whole: the library reads it whenever a process looks at the clock.
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{hours:+}h\n")).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

/// How far a time is off, in whole hours.
fn hours_off(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let seconds = time.as_second() - jiff::Timestamp::now().as_second();
    Some((seconds + 1_800).div_euclid(3_600))
}

/// Looks at the source that found nothing new.
fn looks(running: &Running) -> u64 {
    let text = running.get("/metrics").2;
    let line = text.lines().find(|line| line.contains("orlop_git_requests_total{result=\"unc"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

fn looks_go_on(running: &Running) {
    let (before, end) = (looks(running), Instant::now() + WAIT);
    while looks(running) < before + 3 {
        assert!(Instant::now() < end, "the source is not looked at any more");
    }
}

#[test]
fn a_wall_clock_that_jumps_costs_no_lease_no_poll_and_no_write() {
    let Some(mut bed) = Bed::new() else { return };
    let proxy = Proxy::start(&bed.cluster.kubeconfig()).unwrap();
    bed.desk.variable("KUBECONFIG", proxy.kubeconfig());
    let Some(wall) = Wall::of(&mut bed.desk) else { return };
    let first = bed.push(&[("one", "0")]);
    bed.sync("web", "app", "");
    // A busy machine may keep the leader from the clock for more than two seconds, but for no hour.
    let lease = "--lease-seconds=10";
    let options = [lease, "--namespace", "default", "--tenancy", "single", "--identity"];
    let leader = Running::start_with(&bed.desk, &[options.as_slice(), &["one"]].concat());
    bed.wait("web", ".status.healthyRevision", &first);
    // Another one, with the time of this machine, waits for its turn.
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", bed.cluster.kubeconfig());
    let second = Running::start_with(&desk, &[options.as_slice(), &["two"]].concat());
    second.line_with("the API server answers");
    let lease = |field: &str| bed.get("lease/orlop-controller", &format!(".spec.{field}"));
    let taken = lease("leaseTransitions");

    let mut value = "0".to_owned();
    for hours in JUMPS {
        wall.jump(hours);
        let end = Instant::now() + WAIT;
        while hours_off(&lease("renewTime")) != Some(hours) {
            assert!(Instant::now() < end, "off by {hours} hours is not {}", lease("renewTime"));
        }
        looks_go_on(&leader);
        proxy.recorder().reset();
        bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
        bed.until("cm/one", ".data.value", &value);
        value = format!("off by {hours}");
        let next = bed.push(&[("one", &value)]);
        bed.wait("web", ".status.healthyRevision", &next);
        bed.ready("web");
        looks_go_on(&leader);
        let records = proxy.recorder().records();
        let own = |target: &str| target.contains("/configmaps/one?");
        let writes = records
            .iter()
            .filter(|record| record.call.writes() && !record.call.dry_run && own(&record.target));
        assert_eq!(writes.count(), 2, "one reverts the drift, one is the push");
        let held = (lease("holderIdentity"), lease("leaseTransitions"));
        assert_eq!(held, ("one".to_owned(), taken.clone()), "off by {hours}");
        assert!(!second.leads());
    }
    let log = leader.log_so_far();
    for told in ["no longer leading", "lease not renewed", "WARN", "ERROR"] {
        assert!(!log.contains(told), "{told} in {log}");
    }
}

/// A file with one GitSync that looks every second.
fn file(desk: &Desk, repository: &Path) {
    let text = format!(
        "apiVersion: orlop.dev/v1alpha1\nkind: AgentConfig\nmetadata: {{name: host}}\n\
         spec: {{listen: '127.0.0.1:0'}}\n---\n\
         apiVersion: orlop.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: web}}\n\
         spec:\n  interval: 1s\n  source: {{url: 'file://{}', ref: {{branch: main}}, path: web}}\n",
        repository.display()
    );
    desk.file("agent.yaml", &text);
}

#[test]
fn a_process_on_a_host_goes_on_over_tls_when_its_wall_clock_jumps() {
    let Some(cluster) = testkit::cluster::ControlPlane::start() else { return };
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    let Some(wall) = Wall::of(&mut desk) else { return };
    let repository = Repository::create(&desk.dir.path().join("demo.git")).unwrap();
    let server = testkit::git::GitServer::start().unwrap();
    let bed = Bed { cluster, desk, server, repository };
    let push = |value: &str| {
        let text = config_map("one", value);
        bed.repository.push(&[("web/one.yaml", text.as_bytes())], value).unwrap()
    };
    push("0");
    file(&bed.desk, bed.repository.path());
    let process = Running::start_line(&bed.desk, &["sync", "run", "--config", "agent.yaml"]);
    bed.until("cm/one", ".data.value", "0");
    for hours in JUMPS {
        wall.jump(hours);
        looks_go_on(&process);
        let value = format!("off by {hours}");
        push(&value);
        bed.until("cm/one", ".data.value", &value);
        bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
        bed.until("cm/one", ".data.value", &value);
        let version = bed.get("cm/one", ".metadata.resourceVersion");
        looks_go_on(&process);
        assert_eq!(bed.get("cm/one", ".metadata.resourceVersion"), version, "it rests");
    }
    let log = process.log_so_far();
    assert!(!log.contains("ertificate") && !log.contains("ERROR"), "{log}");
}
