//! The port to Helm: `helm template` as a subprocess under bounds.
//!
//! Input: the files of a chart, values, and the capabilities of the cluster, all given; nothing
//! is asked of a cluster and nothing is fetched. Output: the documents that helm prints, hooks
//! among them. The chart lies in a private folder that is removed always; values go by file and
//! never by argument. Limits: [`Bounds`]. Errors: [`HelmError`], with the template's file and
//! line where helm names them.

mod error;
mod folder;
mod run;

pub use error::HelmError;

use folder::Folder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Wall time of one rendering.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// CPU time of one rendering.
pub const CPU_MAX: Duration = Duration::from_secs(60);
/// Address space of helm in bytes; Go reserves more than it uses.
pub const MEMORY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// The largest file that helm may write, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What helm may print, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Files of a chart.
pub const CHART_FILES_MAX: usize = 10_000;
/// Bytes of a chart.
pub const CHART_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Characters of what helm said that an error repeats.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// Where the chart lies in the private folder.
const CHART: &str = "chart";

/// The bounds of one rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Wall time.
    pub timeout: Duration,
    /// CPU time, in whole seconds.
    pub cpu: Duration,
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// The largest file that is written, in bytes.
    pub file_bytes: u64,
    /// What is printed, in bytes.
    pub output_bytes: usize,
    /// Files of the chart.
    pub chart_files: usize,
    /// Bytes of the chart.
    pub chart_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            cpu: CPU_MAX,
            memory_bytes: MEMORY_BYTES_MAX,
            file_bytes: FILE_BYTES_MAX,
            output_bytes: OUTPUT_BYTES_MAX,
            chart_files: CHART_FILES_MAX,
            chart_bytes: CHART_BYTES_MAX,
        }
    }
}

/// What is rendered.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The name of the release.
    pub release: String,
    /// The namespace of the release.
    pub namespace: String,
    /// The chart's files by path, `Chart.yaml` at the top; dependencies lie in `charts/`.
    pub chart: BTreeMap<String, Vec<u8>>,
    /// Files of values, later ones over earlier ones.
    pub values_files: Vec<Vec<u8>>,
    /// Values over all files.
    pub values: Option<Value>,
    /// `Capabilities.KubeVersion`, as in `1.37.2`; never asked of a cluster.
    pub kube_version: String,
    /// `Capabilities.APIVersions`, as in `apps/v1` or `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
    /// Whether the CustomResourceDefinitions of `crds/` come first.
    pub include_crds: bool,
}

/// Whether helm has a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// It has none: it runs in a network namespace of its own.
    None {
        /// The program that makes one.
        unshare: PathBuf,
    },
    /// It shares that of this process.
    Shared {
        /// Why, in words.
        reason: String,
    },
}

/// A helm program.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    network: Network,
}

impl Helm {
    /// The given program, or the first `helm` on PATH.
    ///
    /// # Errors
    /// [`HelmError::NotFound`].
    pub fn find(given: Option<&Path>) -> Result<Self, HelmError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = match given {
            Some(given) => given.is_file().then(|| given.to_owned()),
            None => on_path("helm", &path),
        };
        let looked = match given {
            Some(given) => format!("at {}", given.display()),
            None => "on PATH".to_owned(),
        };
        let program = program.ok_or(HelmError::NotFound { looked })?;
        Ok(Self { program, network: network(&path) })
    }

    /// Whether the renderings have a network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Renders a chart once.
    ///
    /// # Errors
    /// [`HelmError`].
    pub fn render(&self, request: &Request, bounds: &Bounds) -> Result<String, HelmError> {
        check(request, bounds)?;
        let folder = Folder::new()?;
        let mut arguments: Vec<String> =
            vec!["template".to_owned(), request.release.clone(), CHART.to_owned()];
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        add("--namespace", request.namespace.clone());
        add("--kube-version", request.kube_version.clone());
        for version in &request.api_versions {
            add("--api-versions", version.clone());
        }
        for (path, bytes) in &request.chart {
            folder.write(&format!("{CHART}/{path}"), bytes)?;
        }
        let inline = request.values.as_ref().map(|values| values.to_string().into_bytes());
        for (index, bytes) in request.values_files.iter().chain(&inline).enumerate() {
            let path = format!("values/{index}.yaml");
            folder.write(&path, bytes)?;
            add("--values", path);
        }
        if request.include_crds {
            arguments.push("--include-crds".to_owned());
        }
        let printed = run::run(&self.program, &arguments, folder.path(), bounds, &self.network)?;
        if let Some(signal) = run::signal(printed.status) {
            return Err(HelmError::Killed { signal });
        }
        if !printed.status.success() {
            return Err(refusal(&String::from_utf8_lossy(&printed.err)));
        }
        String::from_utf8(printed.out).map_err(|_| HelmError::NotText)
    }

    /// Renders a chart twice and compares: what differs would be applied again and again.
    ///
    /// # Errors
    /// [`HelmError::NotDeterministic`] with the first difference, or as [`Helm::render`].
    pub fn render_twice(&self, request: &Request, bounds: &Bounds) -> Result<String, HelmError> {
        let first = self.render(request, bounds)?;
        let second = self.render(request, bounds)?;
        match difference(&first, &second) {
            None => Ok(first),
            Some((document, line)) => Err(HelmError::NotDeterministic { document, line }),
        }
    }
}

/// The first program of that name in the folders of PATH.
fn on_path(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Whether a network namespace can be had: it is tried.
fn network(path: &std::ffi::OsStr) -> Network {
    let shared = |reason: &str| Network::Shared { reason: reason.to_owned() };
    if !rustix::process::geteuid().is_root() {
        return shared("a network namespace needs root");
    }
    let Some(unshare) = on_path("unshare", path) else {
        return shared("unshare is not installed (package util-linux)");
    };
    let mut command = Command::new(&unshare);
    command.args(["--net", "--", "/bin/true"]);
    let tried = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match tried {
        Ok(status) if status.success() => Network::None { unshare },
        _ => shared("this host refuses network namespaces"),
    }
}

/// What becomes an argument must not be taken for a flag.
fn check(request: &Request, bounds: &Bounds) -> Result<(), HelmError> {
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let is_version = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | '/');
    let word = |what, value: &String, is_good: &dyn Fn(char) -> bool| {
        let begins_well = value.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins_well && value.len() <= 253 && value.chars().all(is_good) {
            return Ok(());
        }
        Err(HelmError::Word { what, value: value.clone() })
    };
    word("the name of a release", &request.release, &is_label)?;
    word("the name of a namespace", &request.namespace, &is_label)?;
    word("a version of Kubernetes", &request.kube_version, &is_version)?;
    for version in &request.api_versions {
        word("an API version", version, &is_version)?;
    }
    if request.chart.len() > bounds.chart_files {
        let limit = format!("{} files", bounds.chart_files);
        return Err(HelmError::TooMuch { what: "the number of the chart's files", limit });
    }
    let bytes: usize = request.chart.values().chain(&request.values_files).map(Vec::len).sum();
    if bytes > bounds.chart_bytes {
        let limit = format!("{} bytes", bounds.chart_bytes);
        return Err(HelmError::TooMuch { what: "the size of the chart and its values", limit });
    }
    Ok(())
}

/// What helm said, with the place of the template where it names one.
fn refusal(text: &str) -> HelmError {
    let said = text.trim().trim_start_matches("Error: ");
    let message: String = said.chars().take(MESSAGE_CHARS_MAX).collect();
    match place(said) {
        Some((file, line)) => HelmError::Template { file, line, message },
        None => HelmError::Refused { message },
    }
}

/// The last `CHART/templates/FILE:LINE` of a message: the innermost template.
fn place(said: &str) -> Option<(String, u32)> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '<' | '>' | ',');
    let words = said.split(ends).filter(|word| word.contains("/templates/"));
    words.filter_map(place_of_word).next_back()
}

fn place_of_word(word: &str) -> Option<(String, u32)> {
    let mut parts = word.split(':');
    let file = parts.next()?;
    let line = parts.next()?.parse().ok()?;
    // The first part is the chart's name, which is no folder of the tree.
    Some((file.split_once('/')?.1.to_owned(), line))
}

/// The first document in which two outputs differ, and the line in it.
fn difference(first: &str, second: &str) -> Option<(String, usize)> {
    if first == second {
        return None;
    }
    let mut document = String::new();
    let (mut number, mut line) = (0, 0);
    let mut others = second.lines();
    for own in first.lines() {
        if own == "---" {
            (number, line) = (number + 1, 0);
            document = format!("document {number}");
        } else {
            line += 1;
        }
        if let Some(source) = own.strip_prefix("# Source: ") {
            document = source.split_once('/').map_or(source, |(_, path)| path).to_owned();
        }
        if others.next() != Some(own) {
            return Some((document, line));
        }
    }
    Some((document, line + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_error_is_the_innermost_template() {
        let said = "Error: template: web/templates/a.yaml:3:5: executing \"web/templates/a.yaml\" at \
                    <include \"x\" .>: error calling include: template: web/templates/_h.tpl:7:2: bad";
        let HelmError::Template { file, line, .. } = refusal(said) else { panic!("a template") };
        assert_eq!((file.as_str(), line), ("templates/_h.tpl", 7));
        assert!(matches!(refusal("Error: no Chart.yaml"), HelmError::Refused { .. }));
    }

    #[test]
    fn the_first_difference_is_named_by_document_and_line() {
        let first = "---\n# Source: web/templates/a.yaml\na: 1\n---\n# Source: web/templates/b.yaml\nb: 2\n";
        let second = first.replace("b: 2", "b: 3");
        assert_eq!(difference(first, first), None);
        assert_eq!(difference(first, &second), Some(("templates/b.yaml".to_owned(), 2)));
    }

    #[test]
    fn no_word_of_a_request_can_be_a_flag() {
        let request = |release: &str, api: &str| Request {
            release: release.to_owned(),
            namespace: "shop".to_owned(),
            kube_version: "1.37.2".to_owned(),
            api_versions: vec![api.to_owned()],
            ..Request::default()
        };
        let bounds = Bounds::default();
        assert!(check(&request("web", "apps/v1"), &bounds).is_ok());
        for (release, api) in [("--post-renderer=x", "v1"), ("", "v1"), ("a b", "v1"), ("a", "-x")]
        {
            let error = check(&request(release, api), &bounds).unwrap_err();
            assert!(matches!(error, HelmError::Word { .. }), "{release} {api}");
        }
    }

    #[test]
    fn the_bounds_of_a_chart_are_exact() {
        let mut request = Request {
            release: "a".to_owned(),
            namespace: "a".to_owned(),
            kube_version: "1".to_owned(),
            ..Request::default()
        };
        let bounds = Bounds { chart_files: 1, chart_bytes: 3, ..Bounds::default() };
        request.chart.insert("Chart.yaml".to_owned(), b"abc".to_vec());
        assert!(check(&request, &bounds).is_ok());
        request.values_files.push(b"d".to_vec());
        assert!(matches!(check(&request, &bounds), Err(HelmError::TooMuch { .. })));
        request.values_files.clear();
        request.chart.insert("b".to_owned(), Vec::new());
        assert!(matches!(check(&request, &bounds), Err(HelmError::TooMuch { .. })));
    }
}
