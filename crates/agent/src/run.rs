//! The life of one agent process: read the config, take the state folder, start sinks, journal,
//! watches and servers, read until it is told to stop, end in good order. One reader may follow
//! another: see [`Ended::Again`].

pub(crate) mod reload;
mod sinks;

use crate::AgentError;
use crate::admin::Admin;
use crate::ask::printable;
use crate::config::{self, Config, Input, InputKind, Kubernetes};
use crate::journal::{BEGINNING, Journals, source_name};
use crate::numbers::Numbers;
use crate::options::{Place, RunOptions};
use crate::packed::{Before, Packed};
use crate::pods::{self, Table, WatchOptions};
use crate::reader::inputs::{Intent, common, intents};
use crate::reader::{Aside, Books, Control, Core, Ended, Parts, Reader, Stage, resume, wall_ns};
use crate::say::Say;
use crate::service::{self, HostJournal};
use crate::sink::Letterbox;
use crate::tap::Tap;
use host::tail::{Limits, Resume, StartAt, Tailer};
use model::{Build, Exit};
use pipeline::ring::{self, Subscriber};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use store::{Checkpoint, DeadLetters, Entry, Loaded, Outcome, Spill, State};
use tokio_util::sync::CancellationToken;

pub(crate) use sinks::Spawner;

/// Most blocks in the queue of one sink.
const RING_BLOCKS: usize = 4_096;
/// The socket of `status` and `tap` in the state folder.
pub(crate) const SOCKET: &str = "agent.sock";
/// Descriptors that are asked for where more than these are allowed; as many as the unit of systemd
/// gives. Each costs memory of the kernel.
const OPEN_FILES_MAX: u64 = 65_536;
/// Files that are named on stderr at the start.
const FOUND_SHOWN_MAX: usize = 20;
/// A file that is made this long before a checkpoint is written may be missing in it, nanoseconds.
const SNAPSHOT_NS: u64 = 100_000_000;

/// What parts of the process share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) control: Arc<Control>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) tap: Arc<Tap>,
    pub(crate) say: Say,
    pub(crate) host_name: String,
    pub(crate) watches: Arc<Watches>,
}

type Watch = (Kubernetes, Arc<Table>, CancellationToken);

/// Watches of pods, by what they were configured with.
#[derive(Default)]
pub(crate) struct Watches {
    list: Mutex<Vec<Watch>>,
    runtime: Mutex<Option<tokio::runtime::Handle>>,
}

impl Watches {
    /// The table of an input, with a watch that fills it; none when it is not wanted or cannot
    /// be had, which is told.
    fn table(&self, config: &Kubernetes, shared: &Shared) -> Option<Arc<Table>> {
        if !config.metadata {
            return None;
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table, _)) = list.iter().find(|(known, _, _)| same_watch(known, config)) {
            return Some(table.clone());
        }
        let options = match WatchOptions::new(config, |name| std::env::var(name).ok()) {
            Ok(options) => options,
            Err(reason) => {
                shared
                    .say
                    .warn(&format!("records go without what the API knows of pods: {reason}"));
                return None;
            }
        };
        let table = Arc::new(Table::new(shared.numbers.pod_numbers.clone()));
        // Files that are read go on with what is known of their pods, however long a list takes.
        for (_, known, _) in list.iter() {
            table.inherit(known);
        }
        let stop = CancellationToken::new();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        runtime.spawn(pods::run(options, table.clone(), stop.clone()));
        list.push((config.clone(), table.clone(), stop));
        publish(&list, shared);
        Some(table)
    }

    /// Ends the watches that no input of the config wants.
    fn keep(&self, config: &Config, shared: &Shared) {
        let wanted = |known: &Kubernetes| {
            config.inputs.iter().any(|input| match &input.kind {
                InputKind::Kubernetes(own) => own.metadata && same_watch(own, known),
                _ => false,
            })
        };
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|(known, _, stop)| {
            let stays = wanted(known);
            if !stays {
                stop.cancel();
            }
            stays
        });
        publish(&list, shared);
    }
}

/// Tells the numbers which tables there are.
fn publish(list: &[Watch], shared: &Shared) {
    let tables = list.iter().map(|(_, table, _)| table.clone()).collect();
    *shared.numbers.pods.lock().unwrap_or_else(PoisonError::into_inner) = tables;
}

/// Whether two inputs ask the API for the same.
fn same_watch(one: &Kubernetes, other: &Kubernetes) -> bool {
    (&one.node_name, &one.api_server, &one.token_file, &one.ca_file)
        == (&other.node_name, &other.api_server, &other.token_file, &other.ca_file)
        && (&one.labels, &one.annotations) == (&other.labels, &other.annotations)
}

/// Takes as many descriptors as this process may have: a shell or a container gives it 1,024 at
/// first. With fewer, files are closed sooner.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(OPEN_FILES_MAX, |most| most.min(OPEN_FILES_MAX));
    if limit.current.is_some_and(|current| current < most) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(options: &RunOptions, build: &Build) -> Result<Exit, AgentError> {
    raise_open_files();
    let mut config = load(options)?;
    let numbers = Arc::new(Numbers::default());
    let shared = Shared {
        control: Arc::default(),
        tap: Arc::default(),
        say: Say::new(numbers.clone()),
        numbers,
        host_name: host_name(),
        watches: Arc::default(),
    };
    let state = Arc::new(State::open(&config.state_dir).map_err(AgentError::State)?);
    let (checkpoint, loaded) = Checkpoint::load(&state).map_err(AgentError::State)?;
    tell_checkpoint(loaded.outcome);
    let mut written_ns = checkpoint.written_ns();
    let mut known = (checkpoint, loaded);
    let closed_output = CancellationToken::new();
    let admin = Admin::start(&config, options, shared.clone(), *build, closed_output.clone())?;
    *shared.watches.runtime.lock().unwrap_or_else(PoisonError::into_inner) = Some(admin.handle());
    let sinks = config.sinks.iter().map(|sink| &*sink.name);
    let letters = DeadLetters::open(&state, config.dead_letter_bytes, sinks);
    let letters = letters.map_err(AgentError::State)?;
    let letterbox = Arc::new(Letterbox { state, letters: Mutex::new(letters) });
    shared.numbers.reloads.add(1);
    let ended = loop {
        let mut reader = reader(&config, &shared, (known, written_ns), &letterbox, &admin)?;
        admin.set_ready();
        tracing::info!(
            version = build.version,
            inputs = config.inputs.len(),
            sinks = config.sinks.len(),
            "started"
        );
        let ended = reader.run();
        let Ended::Again { known_ns } = ended else { break ended };
        config = admin.running().suspend();
        // Not that of a file: the last checkpoint may not have been written.
        (known, written_ns) = (reader.into_known(), Some(known_ns));
    };
    admin.end();
    tracing::info!("ended");
    if closed_output.is_cancelled() {
        return Ok(Exit::Clean);
    }
    match ended {
        Ended::Undelivered { lost_bytes } => Err(AgentError::Undelivered { lost_bytes }),
        Ended::Delivered | Ended::Again { .. } => Ok(Exit::Clean),
    }
}

/// A reader that goes on from what is known since a time, and its sinks.
fn reader(
    config: &Config,
    shared: &Shared,
    ((checkpoint, known), written_ns): ((Checkpoint, Loaded), Option<u64>),
    letterbox: &Arc<Letterbox>,
    admin: &Admin,
) -> Result<Reader, AgentError> {
    let watches = &shared.watches;
    let mut wanted = intents(config, &shared.host_name, |input| watches.table(input, shared))?;
    let (files, cursors) = split(known.entries);
    let written_ns = written_ns.map(|written_ns| by_clock(written_ns, wall_ns()));
    // When nothing of it can be used, nobody knows what was read before.
    let used_ns = written_ns.filter(|_| known.outcome != Outcome::Lost);
    let packed = packed(config, &wanted, &files, &cursors, used_ns);
    let mut tailer = tailer(config, &mut wanted, files, (known.outcome, written_ns))?;
    tailer.count_on(&shared.numbers.published().1);
    shared.control.set_waker(tailer.waker());
    shared.control.set_shutdown_timeout(config.shutdown_timeout);
    tell_found(config, &tailer, shared);
    let is_damaged = !matches!(known.outcome, Outcome::Whole | Outcome::Absent);
    let place = |name: &str| {
        let name = source_name(name);
        let found = cursors.iter().find(|(known, _)| *known == name);
        let written = found.and_then(|(_, value)| String::from_utf8(value.clone()).ok());
        // As for a file: where something is missing, nothing begins at its end.
        written.or_else(|| is_damaged.then(|| BEGINNING.to_owned()))
    };
    let waker = tailer.waker();
    let mut journals = Journals::start(config, &shared.host_name, place, &waker, &shared.say)?;
    journals.packed = packed;
    let mut reader =
        assemble(config, shared, (letterbox, checkpoint), (tailer, wanted, journals), admin)?;
    // What is there now is written down at once: lines that come while we are away are then
    // read, and not taken for old ones.
    reader.core.checkpoint(&mut reader.tailer, &mut reader.journals);
    Ok(reader)
}

/// Ring, sinks and everything else of the reader.
fn assemble(
    config: &Config,
    shared: &Shared,
    (letterbox, checkpoint): (&Arc<Letterbox>, Checkpoint),
    (tailer, wanted, journals): (Tailer, Vec<Intent>, Journals),
    admin: &Admin,
) -> Result<Reader, AgentError> {
    let state = letterbox.state.clone();
    let spill = Spill::open(&state, config.spill_bytes).map_err(AgentError::State)?;
    let limits = ring::Limits::for_memory(sinks::ring_bytes(config), RING_BLOCKS);
    let (producer, subscriber) = ring::ring(limits);
    let spawner = spawner(subscriber, letterbox.clone(), shared, admin);
    let running = spawner.all(config)?;
    spawner.list(&running);
    admin.running().spawner = Some(spawner);
    let books = Books::new(
        running,
        state.clone(),
        checkpoint,
        config.checkpoint_interval,
        limits.block_bytes_max(),
    );
    let core = Core::new(Parts {
        intents: wanted,
        common: common(config, &shared.host_name),
        books,
        aside: Aside::new(spill, state, config.spill_bytes),
        stage: Box::new(Stage::new(&config.sampling, seed(&shared.host_name))),
        producer,
        numbers: shared.numbers.clone(),
        tap: shared.tap.clone(),
        say: shared.say.clone(),
    });
    Ok(Reader { tailer, core, control: shared.control.clone(), journals, say: shared.say.clone() })
}

fn spawner(
    subscriber: Subscriber<crate::block::Block>,
    letterbox: Arc<Letterbox>,
    shared: &Shared,
    admin: &Admin,
) -> Spawner {
    Spawner {
        subscriber,
        letterbox,
        numbers: shared.numbers.clone(),
        closed_output: admin.closed_output(),
        say: shared.say.clone(),
    }
}

/// The config of a command line. Without one and without the right to write to the usual state
/// folder, one below the home folder is taken.
pub(crate) fn load(options: &RunOptions) -> Result<Config, AgentError> {
    let mut config = match &options.place.config {
        Some(path) => config::load(path).map_err(AgentError::Config)?,
        None => config::parse("").unwrap_or_else(|_| unreachable_default()),
    };
    config.state_dir = state_dir(&options.place, &config);
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    service::add_journal(&mut config);
    service::refuse_loop(&config)?;
    Ok(config)
}

/// The config of an empty file is valid; a test holds it.
fn unreachable_default() -> Config {
    Config {
        state_dir: PathBuf::from(config::STATE_DIR_DEFAULT),
        listen: None,
        memory_max_bytes: config::MEMORY_MAX_BYTES_DEFAULT,
        shutdown_timeout: config::SHUTDOWN_TIMEOUT_DEFAULT,
        checkpoint_interval: config::CHECKPOINT_INTERVAL_DEFAULT,
        dead_letter_bytes: config::DEAD_LETTER_BYTES_DEFAULT,
        spill_bytes: config::SPILL_BYTES_DEFAULT,
        backfill_bytes_per_second: None,
        resource: Vec::new(),
        inputs: Vec::new(),
        sampling: config::Sampling::default(),
        redaction: config::Redaction::default(),
        sinks: Vec::new(),
        missing: Vec::new(),
    }
}

/// The state folder of a command line.
pub(crate) fn state_dir(place: &Place, config: &Config) -> PathBuf {
    if let Some(path) = &place.state_dir {
        return path.clone();
    }
    let usual = Path::new(config::STATE_DIR_DEFAULT);
    if place.config.is_some() || config.state_dir != usual || is_usable(usual) {
        return config.state_dir.clone();
    }
    let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    let below = variable("XDG_STATE_HOME").map(PathBuf::from);
    let below = below.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")));
    below.map_or_else(|| usual.to_owned(), |folder| folder.join("orlop/agent"))
}

/// Whether it is there, or can be made: for its owner alone.
fn is_usable(path: &Path) -> bool {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.is_ok() && std::fs::read_dir(path).is_ok()
}

fn words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn split(entries: Vec<Entry>) -> (Vec<Resume>, Vec<(String, Vec<u8>)>) {
    let (mut files, mut cursors) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::File(record) => files.push(resume(record)),
            Entry::Cursor { name, value } => cursors.push((name, value)),
        }
    }
    (files, cursors)
}

/// The tailer. After a damaged checkpoint nothing begins at its end: what was not read is read.
fn tailer(
    config: &Config,
    wanted: &mut [Intent],
    files: Vec<Resume>,
    (outcome, written_ns): (Outcome, Option<u64>),
) -> Result<Tailer, AgentError> {
    if !matches!(outcome, Outcome::Whole | Outcome::Absent) {
        for intent in wanted.iter_mut() {
            intent.tail.start_at = StartAt::Beginning;
        }
    }
    let limits =
        Limits { backlog_bytes_per_s: config.backfill_bytes_per_second, ..Limits::default() };
    let inputs = wanted.iter().map(|intent| intent.tail.clone()).collect();
    let unseen_since = written_ns.map(|then| then.saturating_sub(SNAPSHOT_NS));
    Tailer::new(inputs, limits, files, unseen_since, Instant::now())
        .map_err(|error| AgentError::Input { input: "files".to_owned(), reason: words(&error) })
}

/// When a checkpoint was written by the clock as it is now. After it was set back, what was made
/// since may seem to be older than the checkpoint, but not than the start of this machine.
fn by_clock(written_ns: u64, now_ns: u64) -> u64 {
    if written_ns <= now_ns {
        return written_ns;
    }
    tracing::warn!(
        "the clock was set back since the checkpoint was written: files that are not in it and \
         were made since this machine's start are read from their beginning"
    );
    let up_s = u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or(0);
    now_ns.saturating_sub(up_s.saturating_add(1).saturating_mul(1_000_000_000))
}

/// The compressed files that are to be read.
fn packed(
    config: &Config,
    wanted: &[Intent],
    files: &[Resume],
    cursors: &[(String, Vec<u8>)],
    written_ns: Option<u64>,
) -> Packed {
    let asked = wanted.iter().enumerate().filter(|(_, intent)| intent.compressed);
    let inputs = asked.map(|(number, intent)| (number, &intent.tail));
    let before = Before { files, cursors, written_ns };
    Packed::find(inputs, &before, config.backfill_bytes_per_second)
}

fn tell_checkpoint(outcome: Outcome) {
    match outcome {
        Outcome::Whole => {}
        Outcome::Absent => tracing::info!("no checkpoint: this is the first start here"),
        Outcome::Lost => tracing::warn!(
            "the checkpoint is damaged and there is no older one: everything is read from its \
             beginning, and delivered twice"
        ),
        other => tracing::warn!(
            outcome = ?other,
            "the checkpoint is damaged: an older one is used, and some lines are delivered twice"
        ),
    }
}

/// Says what was found, so that a start without a config explains itself.
fn tell_found(config: &Config, tailer: &Tailer, shared: &Shared) {
    let stats = tailer.stats();
    for file in tailer.files().take(FOUND_SHOWN_MAX) {
        let path = printable(&file.path.to_string_lossy());
        tracing::info!(%path, from = file.offset, "reading");
    }
    let more = stats.files.saturating_sub(FOUND_SHOWN_MAX as u64);
    if more > 0 {
        tracing::info!(more, "and further files");
    }
    let mut journals = config.inputs.iter().filter(|input| input.kind.is_journal()).peekable();
    if config.missing.contains(&"inputs")
        && journals.peek().is_none()
        && let HostJournal::RepeatedIn(path) = service::host_journal()
    {
        tracing::info!(path, "the journal is not read, a syslog daemon writes it to this file");
    }
    for journal in journals {
        tracing::info!(input = journal.name, "reading a journal");
    }
    let reads_files = |input: &Input| !input.kind.is_journal();
    if stats.files == 0 && config.inputs.iter().any(reads_files) {
        shared.say.warn("no file matches the inputs now; new ones are read when they come");
    }
    for sink in &config.sinks {
        tracing::info!(sink = sink.name, "records go to");
    }
    tracing::info!(state_dir = %config.state_dir.display(), "state");
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    std::env::var("NODE_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or(name)
        .trim()
        .to_owned()
}

/// Differs from host to host.
pub(crate) fn seed(host_name: &str) -> u64 {
    pipeline::hash::bytes(0x006f_726c_6f70_2100, host_name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::Pod;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::Ordering;

    #[test]
    fn r19_after_a_clock_was_set_back_what_may_be_unseen_goes_back_to_the_start_of_the_machine() {
        let now_ns = wall_ns();
        assert_eq!(by_clock(now_ns, now_ns), now_ns);
        assert_eq!(by_clock(5, now_ns), 5);
        let start = std::fs::read_to_string("/proc/stat").unwrap();
        let start = start.lines().find_map(|line| line.strip_prefix("btime ")).unwrap();
        let start_ns = start.parse::<u64>().unwrap() * 1_000_000_000;
        let since = by_clock(now_ns + 1, now_ns);
        assert!(since <= start_ns + 1_000_000_000 && since > start_ns - 60_000_000_000, "{since}");
    }

    #[test]
    fn the_usual_state_folder_is_made_for_its_owner_alone_and_one_that_was_there_is_left_as_it_is()
    {
        let dir = tempfile::tempdir().unwrap();
        let (path, open) = (dir.path().join("orlop/agent"), Permissions::from_mode(0o755));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert!(is_usable(&path));
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
        std::fs::set_permissions(&path, open).unwrap();
        assert!(is_usable(&path));
        assert_eq!(mode(&path), 0o755);
    }

    #[tokio::test]
    async fn r27_what_is_counted_of_pods_goes_on_and_those_of_a_watch_that_ended_are_not_known() {
        let numbers = Arc::new(Numbers::default());
        let shared = Shared {
            control: Arc::default(),
            tap: Arc::default(),
            say: Say::new(numbers.clone()),
            numbers: numbers.clone(),
            host_name: String::new(),
            watches: Arc::default(),
        };
        let watches = &shared.watches;
        *watches.runtime.lock().unwrap() = Some(tokio::runtime::Handle::current());
        let config = |labels: &str| {
            let own = "type: kubernetes, node_name: n, api_server: 'https://127.0.0.1:1'";
            config::parse(&format!("inputs: [{{{own}, labels: [{labels}]}}]")).unwrap()
        };
        let table = |config: &Config| {
            let InputKind::Kubernetes(own) = &config.inputs[0].kind else { panic!("another one") };
            watches.table(own, &shared).unwrap()
        };
        let (before, after) = (config("a"), config("b"));
        let old = table(&before);
        old.replace(vec![Pod::default()]);
        old.numbers().lists.fetch_add(1, Ordering::Relaxed);
        let new = table(&after);
        assert!(new.get("").is_some() && !new.is_synced(), "what was known is not, until a list");
        new.replace(vec![Pod::default()]);
        new.numbers().lists.fetch_add(1, Ordering::Relaxed);
        // A file is read of one that nobody knows.
        new.hold("shop_web_u");
        watches.keep(&after, &shared);
        let text = numbers.render("", "", &[]);
        assert!(text.contains("\norlop_agent_pods 1\n"), "{text}");
        assert!(text.contains("\norlop_agent_pod_lists_total 2\n"), "{text}");
    }
}
