//! A delivery that goes on, measured from inside. Used by `cargo xtask bench gitops`:
//!
//! - `live apply KUBECONFIG FOLDER`: delivers the folder once, so that there is something;
//! - `live fill KUBECONFIG OBJECTS`: makes objects that nobody delivers;
//! - `live measure KUBECONFIG FOLDER RUNS`: follows the delivery and prints one line for each
//!   measure, name and value parted by a tab. The memory is that of this process.

#![expect(clippy::print_stdout, reason = "a program for people")]

use cluster::{ApplyOptions, Client, ConnectOptions, PatchOptions};
use delivery::{
    DeliveryOptions, Event, Live, LiveEvent, LoadOptions, Progress, Silent, Source, TreeCache,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef};
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::git::Repository;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error + Send + Sync>;

/// The delivery, and the namespace of its objects.
const NAME: &str = "bench";
/// The object that is changed by pushes and by hand.
const CHANGED: &str = "object-00001";
/// What is changed of it in Git: this begins the value that is replaced.
const VALUE: &str = "value 0 of object 1\"";
/// The longest wait for something that is certain to happen.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _ = rustls::crypto::ring::default_provider().install_default();
    match words.as_slice() {
        ["apply", kubeconfig, folder] => apply(kubeconfig, Path::new(folder)).await,
        ["fill", kubeconfig, objects] => fill(kubeconfig, objects.parse()?).await,
        ["measure", kubeconfig, folder, runs] => {
            measure(kubeconfig, Path::new(folder), runs.parse()?).await
        }
        _ => Err("usage: live apply|fill|measure KUBECONFIG ...".into()),
    }
}

fn options() -> Result<DeliveryOptions, Failure> {
    let mut options = DeliveryOptions::new(NAME.parse()?);
    options.wait = false;
    Ok(options)
}

async fn connect(kubeconfig: &str) -> Result<Client, Failure> {
    Ok(Client::connect(&ConnectOptions::from_kubeconfig(kubeconfig)).await?)
}

async fn apply(kubeconfig: &str, folder: &Path) -> Result<(), Failure> {
    let (client, token) = (connect(kubeconfig).await?, CancellationToken::new());
    let tree =
        delivery::load(&Source::Directory(folder.to_owned()), &LoadOptions::default(), &token)
            .await?;
    let report = delivery::apply(&client, &tree, &options()?, None, &Silent, &token).await?;
    println!("delivered\t{} of {}", report.done() + report.unchanged, tree.len());
    Ok(())
}

async fn fill(kubeconfig: &str, objects: usize) -> Result<(), Failure> {
    let client = connect(kubeconfig).await?;
    let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
    let resource = client.resolve(&gvk).await?;
    let options = ApplyOptions::new("somebody-else");
    let under_way = client.in_flight_max();
    stream::iter(0..objects)
        .map(|number| {
            let (client, resource, options) = (&client, &resource, &options);
            async move {
                let object = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": format!("other-{number:06}"), "namespace": NAME},
                    "data": {"text": format!("nobody delivers object {number}")}}))?;
                client.create(resource, &object, options).await?;
                Ok::<_, Failure>(())
            }
        })
        .buffer_unordered(under_way)
        .try_collect::<()>()
        .await
}

/// What is measured with.
struct Bench {
    client: Client,
    options: DeliveryOptions,
    repository: Repository,
    load: LoadOptions,
    fetched: tempfile::TempDir,
    live: Live,
    token: CancellationToken,
}

async fn measure(kubeconfig: &str, folder: &Path, runs: usize) -> Result<(), Failure> {
    let fetched = tempfile::tempdir()?;
    let repository = Repository::create(&fetched.path().join("origin"))?;
    let (client, options) = (connect(kubeconfig).await?, options()?);
    println!("memory, at the start\t{:.1} MiB", status("VmRSS:")? / 1024.0);
    let first = publish(&repository, folder)?;
    let bench = Bench {
        live: Live::new(&client, &options.name),
        client,
        options,
        repository,
        load: LoadOptions { cache: Some(TreeCache::default()), ..LoadOptions::default() },
        fetched,
        token: CancellationToken::new(),
    };
    bench.cold().await?;
    bench.warm(runs).await?;
    bench.pushes(runs, &first).await?;
    bench.drifts(kubeconfig, runs).await?;
    let fields =
        [("memory", "VmRSS:"), ("memory without files", "RssAnon:"), ("peak memory", "VmHWM:")];
    for (name, field) in fields {
        println!("{name}\t{:.1} MiB", status(field)? / 1024.0);
    }
    Ok(())
}

/// Commits the folder; gives the text of the file that will be changed.
fn publish(repository: &Repository, folder: &Path) -> Result<(String, String), Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(path)?));
    }
    files.sort();
    let borrowed: Vec<(&str, &[u8])> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    repository.push(&borrowed, "first")?;
    let changed = files.into_iter().find(|(_, text)| text.contains(VALUE));
    changed.ok_or_else(|| format!("no file has {VALUE}").into())
}

impl Bench {
    async fn fetch(&self) -> Result<Arc<repo::Tree>, Failure> {
        let url = repo::RepoUrl::local(self.repository.path());
        let spec = repo::Fetch::new(url, repo::Reference::Head);
        let cache = self.fetched.path().join("cache");
        let work = move || repo::fetch(&spec, &cache, &AtomicBool::new(false), &|_| {});
        Ok(Arc::new(tokio::task::spawn_blocking(work).await??))
    }

    async fn read(&self) -> Result<delivery::Tree, Failure> {
        let files = self.fetch().await?;
        Ok(delivery::read(files, "", &self.load, &self.token).await?)
    }

    async fn plan(&self, tree: &delivery::Tree) -> Result<usize, Failure> {
        let plan = self.live.plan(tree, &self.options, &Silent, &self.token).await?;
        Ok(plan.operations.len())
    }

    fn requests(&self) -> u64 {
        self.client.metrics().requests().iter().map(|count| count.count).sum()
    }

    async fn cold(&self) -> Result<(), Failure> {
        let (start, before) = (Instant::now(), on_cpu()?);
        let tree = self.read().await?;
        println!("tree, cold\t{}, CPU {}", millis(start.elapsed()), millis(on_cpu()? - before));
        println!("objects\t{}", tree.len());
        let (start, before) = (Instant::now(), on_cpu()?);
        let operations = self.plan(&tree).await?;
        let (time, requests) = (millis(start.elapsed()), self.requests());
        let cpu = millis(on_cpu()? - before);
        println!("plan, cold\t{time}, CPU {cpu}, {requests} requests, {operations} operations");
        let start = (Instant::now(), on_cpu()?);
        let check = self.live.check();
        let (time, cpu) = (millis(start.0.elapsed()), millis(on_cpu()? - start.1));
        println!("drift check after the first LIST\t{time}, CPU {cpu}, {} clean", check.clean);
        println!("memory, cold\t{:.1} MiB", status("VmRSS:")? / 1024.0);
        Ok(())
    }

    async fn warm(&self, runs: usize) -> Result<(), Failure> {
        let tree = self.read().await?;
        // What an earlier measurement pushed.
        self.live.apply(&tree, &self.options, None, &Silent, &self.token).await?;
        let (mut checks, mut plans, mut trees) = (Vec::new(), Vec::new(), Vec::new());
        let mut plans_cpu = Vec::new();
        let before = self.requests();
        for _ in 0..runs {
            let start = Instant::now();
            let check = self.live.check();
            checks.push(start.elapsed());
            if !check.is_clean() {
                return Err(format!("the tree is not clean: {check:?}").into());
            }
            let start = Instant::now();
            let tree = self.read().await?;
            trees.push(start.elapsed());
            let (start, cpu) = (Instant::now(), on_cpu()?);
            self.plan(&tree).await?;
            plans.push(start.elapsed());
            plans_cpu.push(on_cpu()? - cpu);
        }
        let requests = self.requests() - before;
        println!("drift check, warm\t{}, {requests} requests", spread(checks));
        println!("tree, unchanged\t{}", spread(trees));
        println!("plan, unchanged\t{}, CPU {}", spread(plans), spread(plans_cpu));
        Ok(())
    }

    async fn pushes(&self, runs: usize, (file, text): &(String, String)) -> Result<(), Failure> {
        let (mut fetches, mut reads, mut lives, mut runs_whole) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut lives_cpu, mut runs_cpu) = (Vec::new(), Vec::new());
        let before = self.requests();
        for run in 0..runs {
            let changed = text.replacen(VALUE, &format!("push {run}\""), 1);
            self.repository.push(&[(file, changed.as_bytes())], "change")?;
            let (start, cpu) = (Instant::now(), on_cpu()?);
            let files = self.fetch().await?;
            fetches.push(start.elapsed());
            let reading = Instant::now();
            let tree = delivery::read(files, "", &self.load, &self.token).await?;
            reads.push(reading.elapsed());
            let done = FirstDone::default();
            let report = self.live.apply(&tree, &self.options, None, &done, &self.token).await?;
            runs_whole.push(start.elapsed());
            runs_cpu.push(on_cpu()? - cpu);
            let at = done.0.lock().map_err(|_| "poisoned")?.ok_or("nothing was written")?;
            lives.push(at.0 - start);
            lives_cpu.push(at.1 - cpu);
            if report.done() != 1 {
                return Err(format!("a push changed {} objects", report.done()).into());
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
        let each = (self.requests() - before) as f64 / runs.max(1) as f64;
        println!("push: fetch\t{}", spread(fetches));
        println!("push: read the tree\t{}", spread(reads));
        println!("push → object live\t{}, CPU {}", spread(lives), spread(lives_cpu));
        let (wall, cpu) = (spread(runs_whole), spread(runs_cpu));
        println!("push → run ended\t{wall}, CPU {cpu}, {each:.1} requests");
        Ok(())
    }

    async fn drifts(&self, kubeconfig: &str, runs: usize) -> Result<(), Failure> {
        let person = connect(kubeconfig).await?;
        let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
        let resource = person.resolve(&gvk).await?;
        let object = ObjectRef::new(GroupKind::new("", "ConfigMap"), NAME, CHANGED);
        let options =
            PatchOptions { field_manager: "kubectl-edit".to_owned(), ..PatchOptions::default() };
        let mut events = self.live.events();
        let (mut noticed, mut reverted) = (Vec::new(), Vec::new());
        let before = self.requests();
        for run in 0..runs {
            let patch = json!({"data": {"key-1": format!("drift {run}")}});
            let start = Instant::now();
            person.patch_merge(&resource, NAME, CHANGED, &patch, &options).await?;
            loop {
                let event = tokio::time::timeout(PATIENCE, events.next()).await?;
                match event.ok_or("no more events")? {
                    LiveEvent::Drift(drift) if drift.object == object => break,
                    _ => {}
                }
            }
            noticed.push(start.elapsed());
            let one = std::slice::from_ref(&object);
            let outcomes = self.live.heal(one, &self.options, &Silent, &self.token).await?;
            reverted.push(start.elapsed());
            let done = |one: &delivery::Outcome| one.result == delivery::OutcomeResult::Done;
            if !outcomes.iter().all(done) {
                return Err(format!("not reverted: {outcomes:?}").into());
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
        let each = (self.requests() - before) as f64 / runs.max(1) as f64;
        println!("hand-made drift → noticed\t{}", spread(noticed));
        println!("hand-made drift → reverted\t{}, {each:.1} requests", spread(reverted));
        Ok(())
    }
}

/// When the first object was written, and the time on CPUs until then.
#[derive(Default)]
struct FirstDone(Mutex<Option<(Instant, Duration)>>);

impl Progress for FirstDone {
    fn event(&self, event: &Event) {
        if let (Event::Done { .. }, Ok(mut at)) = (event, self.0.lock()) {
            at.get_or_insert_with(|| (Instant::now(), on_cpu().unwrap_or_default()));
        }
    }
}

/// What all threads of this process have been on a CPU: other processes do not count, but those
/// of the API server neither.
fn on_cpu() -> Result<Duration, Failure> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile.
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text.split(' ').next().unwrap_or_default().parse().unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Median and 99th percentile.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(index).copied().unwrap_or_default()
    };
    format!("p50 {}, p99 {}", millis(at(50)), millis(at(99)))
}

/// A field of this process's status, in KiB.
fn status(field: &str) -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}
