//! `cargo xtask bench gitsync`: the binary that ships, following Git repositories over http.
//!
//! Two measures, each on a control plane of its own: how long a push that a webhook tells takes to
//! the live object, in a repository with so many objects (those of the bench `sync`); and what a
//! hundred GitSyncs of a hundred repositories cost while nothing happens.

use super::{Bench, Settings, machine, markdown, pause, sync};
use crate::{dist, measure, terminal, workspace};
use anyhow::Context;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use testbed::Cluster;

/// The bench.
pub(crate) const BENCH: Bench = Bench {
    name: "gitsync",
    about: "orlop sync run as it ships: push to live by webhook, a hundred repositories at rest",
    run,
};

/// Repositories of the second measure, and how often each is asked, in seconds.
const REPOSITORIES: usize = 100;
const INTERVAL_SECONDS: u64 = 5;
/// How long they are watched, and how long they are left alone before.
const WATCH: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(20);
/// Pushes for each run that was asked for, and the pause between two.
const PUSHES: usize = 20;
const PUSH_PAUSE: Duration = Duration::from_millis(1500);
/// Whatever takes longer has failed.
const LIMIT: Duration = Duration::from_secs(600);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// What a forge would be told; of this bench alone.
const TOKEN: &str = "the-secret-of-the-bench";

fn run(settings: &Settings) -> anyhow::Result<String> {
    workspace::build_programs()?;
    let orlop = dist::build(dist::flavour("all")?)?;
    let version = workspace::output(Command::new(&orlop).arg("--version"))?;
    let mut rows = vec![["Objects", "What", "Value"].map(str::to_owned).to_vec()];
    let mut add = |objects: usize, what: &str, value: String| {
        rows.push(vec![objects.to_string(), what.to_owned(), value]);
    };
    for objects in &settings.objects {
        let folder = workspace::target()?.join(format!("bench/gitsync-{objects}"));
        sync::write_trees(&folder, *objects)?;
        let cluster = sync::fresh_cluster()?;
        let (times, memory) = pushes(&orlop, &cluster, &folder, settings.runs * PUSHES)?;
        let [middle, high, most] = [50, 90, 100].map(|share| at(&times, share));
        let count = times.len();
        let value = format!("p50 {middle} ms, p90 {high} ms, slowest {most} ms of {count}");
        add(*objects, "push (webhook) → object live", value);
        add(*objects, "memory after that, peak", memory);
        Cluster::down(sync::CLUSTER, &mut |text| terminal::warn(text))?;
    }
    let cluster = sync::fresh_cluster()?;
    add(REPOSITORIES, "that many repositories at rest, 5 s each", rest(&orlop, &cluster)?);
    Cluster::down(sync::CLUSTER, &mut |text| terminal::warn(text))?;
    let mut text = String::new();
    let _ = writeln!(text, "Machine: {}.", machine());
    let _ = writeln!(text, "Orlop: {} (profile dist, all planes).\n", first_line(&version));
    text.push_str(&markdown(&rows));
    Ok(text)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The time that so many percent of the sorted times do not exceed, in milliseconds.
fn at(times: &[Duration], percent: usize) -> String {
    let last = times.len().saturating_sub(1);
    let time = times.get(times.len() * percent / 100).or(times.get(last));
    format!("{:.1}", time.copied().unwrap_or_default().as_secs_f64() * 1e3)
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Git server with one repository; its folder goes with it.
struct Git {
    _server: Running,
    url: String,
    repository: PathBuf,
}

impl Git {
    fn start(files: &Path, name: &str, temporary: &Path) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(temporary);
        fs::create_dir_all(temporary)?;
        let program = workspace::target()?.join("debug/git-server");
        let mut child = Command::new(&program)
            .arg(files)
            .arg(name)
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let output = child.stdout.take();
        let server = Running(child);
        let mut line = String::new();
        BufReader::new(output.context("its output")?).read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line).context("the server's URL")?;
        let text = |key: &str| said.get(key).and_then(|text| text.as_str()).unwrap_or_default();
        let (url, repository) = (text("url").to_owned(), PathBuf::from(text("repository")));
        Ok(Self { _server: server, url, repository })
    }
}

/// One commit with one more or another file; gives its id.
fn commit(repository: &Path, branch: &str, file: &str, text: &str) -> anyhow::Result<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args(["fast-import", "--quiet", "--force"]);
    let mut child = git.stdin(Stdio::piped()).spawn().context("cannot run git")?;
    let length = text.len();
    let input = format!(
        "commit refs/heads/{branch}\ncommitter bench <bench@orlop.dev> 1 +0000\ndata 1\nx\n\
         from refs/heads/main^0\nM 644 inline {file}\ndata {length}\n{text}\n"
    );
    child.stdin.take().context("git's input")?.write_all(input.as_bytes())?;
    anyhow::ensure!(child.wait()?.success(), "git fast-import failed");
    let mut git = Command::new("git");
    workspace::output(git.arg("-C").arg(repository).args(["rev-parse", branch]))
}

/// `orlop sync run` with a config, and where it listens.
struct Agent {
    process: Running,
    address: SocketAddr,
}

impl Agent {
    fn start(orlop: &Path, cluster: &Cluster, folder: &Path, syncs: &str) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join("config.yaml");
        let text = format!(
            "apiVersion: orlop.dev/v1alpha1\nkind: AgentConfig\nmetadata: {{name: bench}}\n\
             spec: {{listen: '{address}', secretsPath: secrets}}\n{syncs}"
        );
        fs::write(&config, text)?;
        let log = fs::File::create(folder.join("orlop.log"))?;
        let child = Command::new(orlop)
            .args(["sync", "run", "--config"])
            .arg(&config)
            .env("KUBECONFIG", cluster.kubeconfig())
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", orlop.display()))?;
        Ok(Self { process: Running(child), address })
    }

    fn pid(&self) -> anyhow::Result<i32> {
        Ok(i32::try_from(self.process.0.id())?)
    }

    /// One request; its whole answer.
    fn ask(&self, request: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn metrics(&self) -> anyhow::Result<String> {
        self.ask("GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
    }

    /// Waits until so many GitSyncs are ready.
    fn until_ready(&self, syncs: usize) -> anyhow::Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let text = self.metrics().unwrap_or_default();
            let is_ready =
                |line: &&str| line.starts_with("orlop_sync_ready{") && line.ends_with(" 1");
            if text.lines().filter(is_ready).count() == syncs {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < end, "the GitSyncs do not become ready");
            pause(LOOK);
        }
    }
}

/// The sorted times of pushes, and the memory after them.
fn pushes(
    orlop: &Path,
    cluster: &Cluster,
    folder: &Path,
    count: usize,
) -> anyhow::Result<(Vec<Duration>, String)> {
    let git = Git::start(&folder.join("tree"), "big", &folder.join("git"))?;
    let secret = folder.join("secrets/default/hook");
    fs::create_dir_all(&secret)?;
    fs::write(secret.join("token"), TOKEN)?;
    let syncs =
        format!("---\n{}  webhook: {{secretRef: {{name: hook}}}}\n", git_sync("big", &git.url));
    let agent = Agent::start(orlop, cluster, folder, &syncs)?;
    terminal::step(format_args!("{}: the first delivery", folder.display()));
    agent.until_ready(1)?;
    let (_watch, seen) = watch(cluster)?;
    let (file, old) = ("0000.yaml", "value 0 of object 1\"");
    let original = fs::read_to_string(folder.join("tree").join(file))?;
    let mut head = commit(&git.repository, "staging", "first", "")?;
    let mut times = Vec::with_capacity(count);
    terminal::step(format_args!("{}: {count} pushes", folder.display()));
    for number in 0..count {
        let value = format!("pushed {number}");
        let text = original.replacen(old, &format!("{value}\""), 1);
        let next = commit(&git.repository, "staging", file, &text)?;
        let mut move_it = Command::new("git");
        move_it.arg("-C").arg(&git.repository).args(["update-ref", "refs/heads/main", &next]);
        workspace::run(&mut move_it)?;
        let start = Instant::now();
        let answer = agent.ask(&delivery(&git.url, &head, &next))?;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 202"), "{}", first_line(&answer));
        head = next;
        loop {
            let (at, found) = seen.recv_timeout(LIMIT).context("the push did not come")?;
            if found == value {
                times.push(at.saturating_duration_since(start));
                break;
            }
        }
        pause(PUSH_PAUSE);
    }
    times.sort_unstable();
    Ok((times, memory(agent.pid()?)?))
}

/// What GitLab posts about a push.
fn delivery(url: &str, before: &str, after: &str) -> String {
    let body = serde_json::json!({
        "object_kind": "push", "ref": "refs/heads/main", "before": before, "after": after,
        "project": {"git_http_url": url},
    });
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST /webhook/default/big HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\
         Content-Type: application/json\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: {TOKEN}\r\n\
         X-Gitlab-Event-UUID: {after}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The values of the object that pushes change, and when each was seen.
fn watch(cluster: &Cluster) -> anyhow::Result<(Running, Receiver<(Instant, String)>)> {
    let mut kubectl = cluster.kubectl();
    kubectl.args(["get", "configmap", "object-00001", "--namespace", "bench", "--watch"]);
    kubectl.args(["--output", "jsonpath={.data.key-0}{\"\\n\"}"]);
    let mut child = kubectl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("kubectl's output")?;
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    Ok((Running(child), seen))
}

/// What the GitSyncs of many repositories cost while nothing happens.
fn rest(orlop: &Path, cluster: &Cluster) -> anyhow::Result<String> {
    let folder = workspace::target()?.join("bench/gitsync-rest");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("files"))?;
    let git = Git::start(&folder.join("files"), "one", &folder.join("git"))?;
    let parent = git.repository.parent().context("the repository's folder")?;
    let base = git.url.strip_suffix("one.git").context("the repository's URL")?;
    let mut syncs = String::new();
    terminal::step(format_args!("{REPOSITORIES} repositories"));
    for number in 0..REPOSITORIES {
        let own = parent.join(format!("r{number}.git"));
        workspace::run(Command::new("cp").arg("-r").arg(&git.repository).arg(&own))?;
        let object = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: polled-{number}}}\ndata: {{a: b}}\n"
        );
        commit(&own, "main", "one.yaml", &object)?;
        syncs.push_str("---\n");
        syncs.push_str(&git_sync(&format!("r{number}"), &format!("{base}r{number}.git")));
    }
    let agent = Agent::start(orlop, cluster, &folder, &syncs)?;
    agent.until_ready(REPOSITORIES)?;
    pause(SETTLE);
    let pid = agent.pid()?;
    let state =
        || anyhow::Ok((measure::cpu(pid).context("its CPU time")?, looks(&agent.metrics()?)));
    let (cpu, looked) = state()?;
    pause(WATCH);
    let (cpu_after, looked_after) = state()?;
    let (spent, looks) = (cpu_after - cpu, looked_after - looked);
    anyhow::ensure!(looks > 0.0, "no repository was looked at");
    let share = spent.as_secs_f64() / WATCH.as_secs_f64() * 100.0;
    let each = spent.as_secs_f64() * 1e3 / looks;
    Ok(format!("{share:.2} % of a core, {looks} looks, {each:.2} ms each, {}", memory(pid)?))
}

fn git_sync(name: &str, url: &str) -> String {
    format!(
        "apiVersion: orlop.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: {name}}}\nspec:\n  \
         interval: {INTERVAL_SECONDS}s\n  source: {{url: '{url}', ref: {{branch: main}}}}\n"
    )
}

/// Looks at Git servers that the metrics count.
fn looks(metrics: &str) -> f64 {
    let counts = metrics.lines().filter(|line| line.starts_with("orlop_git_requests_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Memory of a process now and at its peak, in MB.
fn memory(pid: i32) -> anyhow::Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let now = kib("VmRSS:").context("its memory")? * 1.024e-3;
    let peak = kib("VmHWM:").context("its peak memory")? * 1.024e-3;
    Ok(format!("RSS {now:.1} MB, peak {peak:.1} MB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_the_sum_over_their_results() {
        let text = "orlop_git_requests_total{result=\"changed\"} 2\n\
                    orlop_git_requests_total{result=\"unchanged\"} 40\nother{a=\"b\"} 7\n";
        assert!((looks(text) - 42.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_share_of_few_times_is_one_of_them() {
        let times: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        assert_eq!([0, 50, 100].map(|share| at(&times, share)), ["1.0", "6.0", "10.0"]);
        assert_eq!(at(&[], 50), "0.0");
    }
}
