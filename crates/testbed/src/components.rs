//! The programs of the cluster, built once from pinned Go modules into a cache.
//!
//! The pins are `cluster/{kubernetes,etcd,containerd,coredns}/go.mod` and `go.sum`; they are part
//! of this library, so a build needs nothing of the work tree. A module's programs lie in
//! `CACHE/components/NAME-KEY/`, where the key covers pins, flags and the Go version: changed
//! pins build beside the old ones. The folder appears complete or not at all; an interrupted
//! build goes on where it stopped, because Go keeps what it compiled. Two builders of the same
//! module wait for each other.
//!
//! Input: what is needed ([`Need`]) and somebody to tell about the progress. Output: the folders
//! ([`Components`]). Effects: `CACHE`, Go's own caches, the Go module proxy. Cost, cold, on two
//! cores: about 5 minutes for Kubernetes, 35 s etcd, 47 s containerd, 74 s CoreDNS.
//! Errors: [`TestbedError`] with the end of the build log.

use crate::error::tail;
use crate::golang::{self, Go};
use crate::{TestbedError, files};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A progress line is written at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Lines of the build log that an error repeats.
const LOG_TAIL_LINES: usize = 15;
/// Hex digits of the key in a folder's name.
const KEY_DIGITS: usize = 12;

/// What will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// etcd, API server, controller manager, kubectl.
    ControlPlane,
    /// The above, and what nodes with pods need.
    Nodes,
}

/// Folders with the programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Components {
    /// kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl.
    pub kubernetes: PathBuf,
    /// etcd.
    pub etcd: PathBuf,
    /// containerd, containerd-shim-runc-v2, ctr; absent in the control-plane tier.
    pub containerd: Option<PathBuf>,
    /// coredns; absent in the control-plane tier.
    pub coredns: Option<PathBuf>,
}

impl Components {
    /// The path of `kubectl`.
    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.kubernetes.join("kubectl")
    }
}

/// A pinned Go module and the programs that are built from it.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    pub(crate) tools: &'static str,
    /// The module whose version is the component's version.
    pub(crate) pinned: &'static str,
    /// Program name and Go package.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// Build tags.
    pub(crate) tags: &'static str,
    /// Packages whose version variables are set at link time.
    pub(crate) stamped: &'static [&'static str],
}

macro_rules! pins {
    ($name:literal, $file:literal) => {
        include_str!(concat!("../../../cluster/", $name, "/", $file))
    };
}
pub(crate) use pins;

const KUBERNETES: Module = Module {
    name: "kubernetes",
    go_mod: pins!("kubernetes", "go.mod"),
    go_sum: pins!("kubernetes", "go.sum"),
    tools: pins!("kubernetes", "tools.go"),
    pinned: "k8s.io/kubernetes",
    programs: &[
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ],
    tags: "",
    stamped: &["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"],
};

const ETCD: Module = Module {
    name: "etcd",
    go_mod: pins!("etcd", "go.mod"),
    go_sum: pins!("etcd", "go.sum"),
    tools: pins!("etcd", "tools.go"),
    pinned: "go.etcd.io/etcd/server/v3",
    programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
    tags: "",
    stamped: &[],
};

const CONTAINERD: Module = Module {
    name: "containerd",
    go_mod: pins!("containerd", "go.mod"),
    go_sum: pins!("containerd", "go.sum"),
    tools: pins!("containerd", "tools.go"),
    pinned: "github.com/containerd/containerd/v2",
    programs: &[
        ("containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
        (
            "containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        ),
        ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
    ],
    tags: "no_btrfs",
    stamped: &[],
};

const COREDNS: Module = Module {
    name: "coredns",
    go_mod: pins!("coredns", "go.mod"),
    go_sum: pins!("coredns", "go.sum"),
    tools: pins!("coredns", "tools.go"),
    pinned: "github.com/coredns/coredns",
    programs: &[("coredns", "github.com/coredns/coredns")],
    tags: "",
    stamped: &[],
};

/// The component versions that are pinned, by module name.
#[must_use]
pub fn versions() -> Vec<(&'static str, &'static str)> {
    [KUBERNETES, ETCD, CONTAINERD, COREDNS]
        .iter()
        .map(|module| (module.name, module.version()))
        .collect()
}

/// The folder for everything that is built or fetched once: `ORLOP_CACHE`, or `orlop` in
/// `XDG_CACHE_HOME` or `~/.cache`.
#[must_use]
pub fn cache_dir() -> PathBuf {
    cache_dir_from(&|name| std::env::var_os(name).map(PathBuf::from))
}

/// Builds what is missing and says where the programs are.
///
/// # Errors
/// When Go cannot be had, when a build fails, or when the cache cannot be written.
pub fn ensure(need: Need, say: &mut dyn FnMut(&str)) -> Result<Components, TestbedError> {
    ensure_in(&cache_dir(), need, say)
}

fn ensure_in(
    cache: &Path,
    need: Need,
    say: &mut dyn FnMut(&str),
) -> Result<Components, TestbedError> {
    let go = golang::ensure(cache, say)?;
    let root = cache.join("components");
    files::create_dir(&root)?;
    let nodes = need >= Need::Nodes;
    let mut one = |module: &Module| module.ensure(&root, &go, say);
    Ok(Components {
        etcd: one(&ETCD)?,
        kubernetes: one(&KUBERNETES)?,
        containerd: nodes.then(|| one(&CONTAINERD)).transpose()?,
        coredns: nodes.then(|| one(&COREDNS)).transpose()?,
    })
}

fn cache_dir_from(variable: &dyn Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let set = |name: &str| variable(name).filter(|path| path.is_absolute());
    set("ORLOP_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("orlop")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/orlop")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/orlop"))
}

impl Module {
    /// The pinned version, as in `v1.37.2`.
    pub(crate) fn version(&self) -> &'static str {
        let mut words = self.go_mod.split_ascii_whitespace();
        words.find(|word| *word == self.pinned);
        // The first mention of the module in its go.mod is the requirement itself.
        words.next().unwrap_or("unknown")
    }

    /// What the linker is told.
    fn link_flags(&self) -> String {
        let version = self.version();
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
        let mut flags = String::from("-s -w");
        for package in self.stamped {
            flags.push_str(&format!(
                " -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
                 -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
            ));
        }
        flags
    }

    /// What makes two builds of the module the same.
    fn key(&self, go: &Go) -> String {
        let mut hash = Sha256::new();
        for part in
            [self.go_mod, self.go_sum, self.tools, self.tags, &self.link_flags(), &go.version]
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digits.chars().take(KEY_DIGITS).collect()
    }

    /// Where the module's programs lie once they are built.
    pub(crate) fn folder(&self, root: &Path, go: &Go) -> PathBuf {
        root.join(format!("{}-{}", self.name, self.key(go)))
    }

    /// The folder with the module's programs, built if it is not there.
    pub(crate) fn ensure(
        &self,
        root: &Path,
        go: &Go,
        say: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, TestbedError> {
        let folder = format!("{}-{}", self.name, self.key(go));
        let ready = root.join(&folder);
        if ready.is_dir() {
            return Ok(ready);
        }
        let lock_path = root.join(format!(".{folder}.lock"));
        let lock =
            fs::File::create(&lock_path).map_err(TestbedError::file("create", &lock_path))?;
        if lock.try_lock().is_err() {
            say(&format!("{}: another process is building it; waiting", self.name));
            lock.lock().map_err(TestbedError::file("lock", &lock_path))?;
        }
        if !ready.is_dir() {
            self.build_into(root, &folder, go, say)?;
        }
        let _ = fs::remove_file(&lock_path);
        Ok(ready)
    }

    /// Builds into a folder of this process and renames it when it is complete.
    fn build_into(
        &self,
        root: &Path,
        folder: &str,
        go: &Go,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), TestbedError> {
        // The lock is ours: parts of this module belong to builders that were killed.
        let prefix = format!(".{folder}.part-");
        for name in files::names(root).iter().filter(|name| name.starts_with(&prefix)) {
            let left = root.join(name);
            fs::remove_dir_all(&left).map_err(TestbedError::file("remove", &left))?;
        }
        let part = root.join(format!("{prefix}{}", std::process::id()));
        let (source, programs) = (part.join("source"), part.join("programs"));
        files::create_dir(&source)?;
        files::create_dir(&programs)?;
        files::write(&source.join("go.mod"), self.go_mod)?;
        files::write(&source.join("go.sum"), self.go_sum)?;
        files::write(&source.join("tools.go"), self.tools)?;
        let started = Instant::now();
        self.build(go, &source, &programs, say)?;
        let ready = root.join(folder);
        fs::rename(&programs, &ready).map_err(TestbedError::file("move into place", &ready))?;
        let synced = fs::File::open(root).and_then(|directory| directory.sync_all());
        synced.map_err(TestbedError::file("sync", root))?;
        let _ = fs::remove_dir_all(&part);
        let took = model::Span(started.elapsed());
        say(&format!("{}: {} built in {took}", self.name, self.version()));
        Ok(())
    }

    fn build(
        &self,
        go: &Go,
        source: &Path,
        programs: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), TestbedError> {
        let started = Instant::now();
        say(&format!("{}: building {} with {}", self.name, self.version(), go.version));
        let packages: Vec<&str> = self.programs.iter().map(|(_, package)| *package).collect();
        let mut list = go.command(source);
        list.args(["list", "-mod=readonly", "-deps", "-tags", self.tags]).args(&packages);
        let mut log = BuildLog::start(&mut list, self.name)?;
        let mut total: usize = 0;
        log.follow(|_| total += 1, || say(&format!("{}: fetching modules", self.name)))?;
        log.finish(self.name)?;

        let mut build = go.command(source);
        build.args(["build", "-mod=readonly", "-trimpath", "-v", "-tags", self.tags]);
        build.args(["-ldflags", &self.link_flags(), "-o"]);
        match self.programs {
            [(program, _)] => build.arg(programs.join(program)),
            _ => build.arg(programs.join("")),
        };
        build.args(&packages);
        let mut log = BuildLog::start(&mut build, self.name)?;
        let compiled = std::cell::Cell::new(0_usize);
        log.follow(
            |line| {
                // `go build -v` names each package that it compiles on a line of its own.
                if !line.contains([' ', ':']) {
                    compiled.set(compiled.get() + 1);
                }
            },
            || {
                let (done, took) = (compiled.get(), model::Span(started.elapsed()));
                say(&format!(
                    "{}: {done} packages compiled (of {total}, less those kept from before), \
                     then linking; {took}",
                    self.name
                ));
            },
        )?;
        log.finish(self.name)
    }
}

/// A running `go` and the lines it writes.
struct BuildLog {
    child: Child,
    lines: Receiver<String>,
    text: String,
}

impl BuildLog {
    fn start(command: &mut Command, component: &'static str) -> Result<Self, TestbedError> {
        let start = |source| TestbedError::Start { program: format!("go for {component}"), source };
        let (reader, writer) = std::io::pipe().map_err(start)?;
        let second = writer.try_clone().map_err(start)?;
        command.stdin(Stdio::null()).stdout(writer).stderr(second);
        let child = command.spawn().map_err(start)?;
        // The command holds the write ends; without this the reader would never see the end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, text: String::new() })
    }

    /// Hands each line to `line` until the program closes its output, and calls `tick` now and
    /// then.
    fn follow(
        &mut self,
        mut line: impl FnMut(&str),
        mut tick: impl FnMut(),
    ) -> Result<(), TestbedError> {
        let mut next = Instant::now() + PROGRESS_EVERY;
        loop {
            match self.lines.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(text) => {
                    line(&text);
                    self.text.push_str(&text);
                    self.text.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if Instant::now() >= next {
                tick();
                next = Instant::now() + PROGRESS_EVERY;
            }
        }
    }

    fn finish(mut self, component: &'static str) -> Result<(), TestbedError> {
        let ended = self.child.wait();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(TestbedError::Build { component, tail: tail(&self.text, LOG_TAIL_LINES) }),
            Err(source) => {
                Err(TestbedError::Start { program: format!("go for {component}"), source })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_pins() {
        let all = versions();
        assert_eq!(all.len(), 4);
        for (name, version) in all {
            assert!(version.starts_with('v') && version.contains('.'), "{name} {version}");
        }
        assert!(KUBERNETES.link_flags().contains("version.gitMajor=1 "));
        assert!(KUBERNETES.link_flags().contains(&format!("gitVersion={}", KUBERNETES.version())));
        assert_eq!(ETCD.link_flags(), "-s -w");
    }

    #[test]
    fn another_go_version_builds_beside_the_old_one() {
        let go = |version: &str| Go { program: "go".into(), version: version.to_owned() };
        assert_ne!(ETCD.key(&go("go1.26.6")), ETCD.key(&go("go1.26.8")));
        assert_eq!(ETCD.key(&go("go1.26.6")), ETCD.key(&go("go1.26.6")));
        assert_eq!(ETCD.key(&go("go1.26.6")).len(), KEY_DIGITS);
    }

    #[test]
    fn the_cache_is_where_the_user_keeps_caches() {
        let from = |pairs: &[(&str, &str)]| {
            cache_dir_from(&|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(from(&[("HOME", "/home/a")]), Path::new("/home/a/.cache/orlop"));
        let both = [("HOME", "/home/a"), ("XDG_CACHE_HOME", "/c")];
        assert_eq!(from(&both), Path::new("/c/orlop"));
        assert_eq!(from(&[("ORLOP_CACHE", "/o"), ("HOME", "/home/a")]), Path::new("/o"));
        assert_eq!(from(&[("XDG_CACHE_HOME", "relative")]), Path::new("/var/cache/orlop"));
    }

    #[test]
    fn a_failed_build_repeats_the_end_of_its_log_and_leaves_no_folder() {
        let cache = tempfile::tempdir().unwrap();
        let go = cache.path().join("go");
        files::write(&go, "#!/bin/sh\necho compile: no space left on device >&2\nexit 1\n")
            .unwrap();
        let mut permissions = fs::metadata(&go).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&go, permissions).unwrap();
        let go = Go { program: go, version: "go1.99".into() };
        let error = ETCD.ensure(cache.path(), &go, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("no space left on device"), "{error}");
        let hint = model::Explain::hint(&error).unwrap();
        assert!(hint.as_str().contains("free some disk space"), "{hint}");
        let key = format!("etcd-{}", ETCD.key(&go));
        assert!(!files::names(cache.path()).contains(&key));
    }
}
