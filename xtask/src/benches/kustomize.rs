//! `cargo xtask bench kustomize`: fifty overlays built in process, next to the kustomize program.
//!
//! The overlays stand on one base of [`BASE_OBJECTS`] objects and change it with a prefix, a
//! namespace, labels, an image, a patch and a generated ConfigMap. The program is started once for
//! each overlay, as a delivery tool would; ours is the median of many builds in one process.

use super::{Bench, Settings, machine, markdown};
use crate::measure;
use crate::workspace;
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The bench.
pub(crate) const BENCH: Bench = Bench {
    name: "kustomize",
    about: "fifty overlays built in process, next to the kustomize program",
    run,
};

const OVERLAYS: usize = 50;
/// Half of them Deployments, half Services.
const BASE_OBJECTS: usize = 40;
/// Builds of each overlay in one process.
const BUILDS: usize = 21;

/// A Deployment and its Service.
const PAIR: &str = r"---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-NUMBER
spec:
  selector:
    matchLabels:
      app: web-NUMBER
  template:
    metadata:
      labels:
        app: web-NUMBER
    spec:
      containers:
      - name: web
        image: nginx:1.25
        envFrom:
        - configMapRef:
            name: settings
        ports:
        - containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: web-NUMBER
spec:
  selector:
    app: web-NUMBER
  ports:
  - port: 80
";

/// One overlay.
const OVERLAY: &str = r"resources: [../base]
namespace: shop-NUMBER
namePrefix: pNUMBER-
labels:
- pairs: {env: eNUMBER}
  includeSelectors: true
images:
- name: nginx
  newTag: 1.26.NUMBER
configMapGenerator:
- name: settings
  literals: [n=NUMBER]
patches:
- target: {kind: Deployment, name: web-1.*}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: any
    spec:
      replicas: 3
      template:
        spec:
          containers:
          - name: web
            ports:
            - containerPort: 9090
";

fn run(settings: &Settings) -> anyhow::Result<String> {
    let program = testbed::peers::ensure("kustomize", &mut |line| crate::terminal::warn(line))?;
    let mut cargo = workspace::cargo()?;
    cargo.args(["build", "--release", "--locked", "-p", "kustomize", "--example", "build_many"]);
    if !cargo.status()?.success() {
        bail!("cannot build the example build_many");
    }
    let ours = workspace::target()?.join("release/examples/build_many");
    let folder = workspace::target()?.join("bench/kustomize");
    write(&folder)?;
    let mut command = Command::new(&ours);
    command.arg(&folder).arg(BUILDS.to_string());
    let output = command.output().context("cannot run build_many")?;
    if !output.status.success() {
        bail!("build_many failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| line.starts_with("overlay-"));
    let column = |line: &str, at| line.split(' ').nth(at)?.parse().ok().map(Duration::from_nanos);
    let (own, mut own_cpu): (Vec<Duration>, Vec<Duration>) =
        lines.filter_map(|line| Some((column(line, 1)?, column(line, 2)?))).unzip();
    own_cpu.sort_unstable();
    let own_cpu = own_cpu.get(own_cpu.len() / 2).copied().unwrap_or_default();
    let mut theirs = Vec::new();
    let mut cpu = Duration::ZERO;
    for _ in 0..settings.runs {
        for number in 0..OVERLAYS {
            let mut command = Command::new(&program);
            command.arg("build").arg(folder.join(format!("overlay-{number}")));
            let cost = measure::run(command, &[0])?;
            theirs.push(cost.wall);
            cpu += cost.cpu;
        }
    }
    let versions = testbed::peers::versions();
    let version = versions.iter().find(|(name, _)| *name == "kustomize").map(|(_, v)| *v);
    let runs = u32::try_from(theirs.len().max(1)).unwrap_or(u32::MAX);
    let row = |what: &str, mut times: Vec<Duration>, cpu: String| {
        times.sort_unstable();
        let at = |share: usize| {
            let index = (times.len().saturating_sub(1)) * share / 100;
            let time = times.get(index).copied().unwrap_or_default();
            format!("{:.2} ms", time.as_secs_f64() * 1e3)
        };
        vec![what.to_owned(), at(50), at(100), cpu]
    };
    let each = format!("{:.0} ms", cpu.as_secs_f64() * 1e3 / f64::from(runs));
    let rows = vec![
        ["What", "Median", "Slowest", "CPU per build"].map(str::to_owned).to_vec(),
        row("in process", own, format!("{:.2} ms", own_cpu.as_secs_f64() * 1e3)),
        row("`kustomize build`", theirs, each),
    ];
    let mut out = format!("{}\n\n", machine());
    let _ = writeln!(
        out,
        "kustomize {}; {OVERLAYS} overlays of {BASE_OBJECTS} objects; time of one build.\n",
        version.unwrap_or("unknown")
    );
    out.push_str(&markdown(&rows));
    Ok(out)
}

/// Writes the base and the overlays.
fn write(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut base = String::new();
    for number in 0..BASE_OBJECTS / 2 {
        base.push_str(&PAIR.replace("NUMBER", &number.to_string()));
    }
    put(folder, "base/all.yaml", &base)?;
    put(folder, "base/kustomization.yaml", "resources: [all.yaml]\n")?;
    for number in 0..OVERLAYS {
        let text = OVERLAY.replace("NUMBER", &number.to_string());
        put(folder, &format!("overlay-{number}/kustomization.yaml"), &text)?;
    }
    Ok(())
}

fn put(folder: &Path, path: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
