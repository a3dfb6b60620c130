//! `build_many FOLDER RUNS`: builds every overlay of a local folder in this process, for
//! `cargo xtask bench kustomize`. Files are read into memory first. Prints one line per overlay:
//! its name, the median time of a build in nanoseconds, the mean time on the CPU of one in
//! nanoseconds, and the bytes of its output.

use kustomize::{FILE_NAMES, Limits};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(runs)) = (words.next(), words.next()) else {
        return Err("usage: build_many FOLDER RUNS".into());
    };
    let runs: usize = runs.parse()?;
    let mut tree = BTreeMap::new();
    read(Path::new(&folder), "", &mut tree)?;
    let overlays = tree.keys().filter_map(|path| path.rsplit_once('/'));
    let overlays = overlays.filter(|(_, name)| FILE_NAMES.contains(name));
    let mut out = std::io::stdout().lock();
    for (overlay, _) in overlays {
        let mut times = Vec::with_capacity(runs);
        let mut bytes = 0;
        let before = on_cpu()?;
        for _ in 0..runs {
            let start = Instant::now();
            let text = kustomize::build(&tree, overlay, &Limits::default())?.to_yaml();
            times.push(start.elapsed().as_nanos());
            bytes = text.len();
        }
        let cpu = (on_cpu()? - before) / u64::try_from(runs.max(1))?;
        times.sort_unstable();
        let median = times.get(runs / 2).copied().unwrap_or_default();
        writeln!(out, "{overlay} {median} {cpu} {bytes}")?;
    }
    Ok(())
}

/// Nanoseconds that this thread has been on a CPU: other processes do not count.
fn on_cpu() -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("an empty schedstat")?.parse()?)
}

fn read(
    folder: &Path,
    below: &str,
    tree: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), std::io::Error> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &path, tree)?;
        } else {
            tree.insert(path, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}
