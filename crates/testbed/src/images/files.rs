//! The files of an image before they become a layer: sorted by path, without times or names.

use super::{NONROOT_UID, Spec};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Top-level folders that are links into `/usr`, as on every Debian since 12.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Folders of packages that no program reads. Licences (`copyright`) are kept.
const DROPPED: [&str; 7] = [
    "usr/share/bug/",
    "usr/share/doc/",
    "usr/share/doc-base/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
];

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) content: Content,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Folder,
    File(Vec<u8>),
    Link(String),
}

/// Paths without a leading slash, and what lies there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<String, Entry>);

impl Files {
    /// The users root and nonroot, `/tmp`, and the folders that the spec's program writes to.
    pub(super) fn with_users(spec: &Spec) -> Self {
        let mut files = Self::default();
        let id = NONROOT_UID;
        let users = format!("root:x:0:0:root:/:\nnonroot:x:{id}:{id}:nonroot:/:\n");
        files.file("/etc/passwd", 0o644, users.into_bytes());
        let groups = format!("root:x:0:\nnonroot:x:{id}:\n");
        files.file("/etc/group", 0o644, groups.into_bytes());
        files.put("tmp", Entry { mode: 0o1777, uid: 0, content: Content::Folder });
        for folder in spec.writable {
            let entry = Entry { mode: 0o755, uid: NONROOT_UID, content: Content::Folder };
            files.put(folder.trim_start_matches('/'), entry);
        }
        files
    }

    /// Puts a file that belongs to root.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        let entry = Entry { mode, uid: 0, content: Content::File(bytes) };
        self.put(path.trim_start_matches('/'), entry);
    }

    /// Entries with the folders above each, sorted by path.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let sizes = self.0.values().map(|entry| match &entry.content {
            Content::File(bytes) => bytes.len() as u64,
            Content::Folder | Content::Link(_) => 0,
        });
        sizes.sum()
    }

    /// Adds what a package's archive holds, at most `limit` bytes of it. Owners become root.
    pub(super) fn unpack(&mut self, archive: impl Read, limit: u64) -> io::Result<()> {
        let mut archive = tar::Archive::new(archive.take(limit));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Some(path) = kept(&path) else { continue };
            let mode = entry.header().mode()? & 0o7777;
            let kind = entry.header().entry_type();
            let content = if kind.is_dir() {
                self.folder(&path, mode);
                continue;
            } else if kind.is_symlink() {
                Content::Link(target(&entry)?)
            } else if kind.is_hard_link() {
                let from = merged(target(&entry)?.trim_start_matches("./"));
                match self.0.get(&from).map(|entry| entry.content.clone()) {
                    Some(content) => content,
                    None => return Err(io::Error::other(format!("{path} links to nothing"))),
                }
            } else if kind.is_file() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Content::File(bytes)
            } else {
                continue;
            };
            self.put(&path, Entry { mode, uid: 0, content });
        }
        Ok(())
    }

    /// A folder keeps the entry it has: two packages may bring the same one.
    fn folder(&mut self, path: &str, mode: u32) {
        if !self.0.contains_key(path) {
            self.put(path, Entry { mode, uid: 0, content: Content::Folder });
        }
    }

    /// Puts an entry and the folders above it.
    fn put(&mut self, path: &str, entry: Entry) {
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            let folder = Entry { mode: 0o755, uid: 0, content: Content::Folder };
            self.0.entry(parent.to_owned()).or_insert(folder);
            above = parent;
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Makes `/bin`, `/lib`, `/lib64` and `/sbin` links into `/usr`.
    pub(super) fn merge_usr(&mut self) {
        for name in MERGED {
            let content = Content::Link(format!("usr/{name}"));
            self.folder(&format!("usr/{name}"), 0o755);
            self.put(name, Entry { mode: 0o777, uid: 0, content });
        }
    }
}

/// The path in the image, or nothing for what an image does not need.
fn kept(path: &str) -> Option<String> {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    if path.is_empty() || path.split('/').any(|part| part == "..") || MERGED.contains(&path) {
        return None;
    }
    let dropped = DROPPED.iter().any(|folder| format!("{path}/").starts_with(folder));
    if dropped && !path.ends_with("/copyright") {
        return None;
    }
    Some(merged(path))
}

/// The path below `/usr` of what a package puts into `/bin`, `/lib`, `/lib64` or `/sbin`.
fn merged(path: &str) -> String {
    match path.split_once('/') {
        Some((top, _)) if MERGED.contains(&top) => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

fn target<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<String> {
    match entry.link_name_bytes() {
        Some(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
        None => Err(io::Error::other("a link without a target")),
    }
}
