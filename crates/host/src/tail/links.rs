//! Files that are read over links: what a rotation makes of one lies beside the target, where
//! perhaps no pattern leads.
//!
//! So the directory of a target counts like the one of its link. What was renamed or copied there,
//! or made and renamed while nobody looked, is read for the input of the link and under its path.
//! It is judged as the target is: by the owner of the link. No directory is listed because of a
//! target that is as it was.

use super::bases::LINKS_MAX;
use super::config::{Symlinks, stem};
use super::discover::{Candidate, Place};
use super::file::{FileKey, Home};
use super::open::{is_short, may_lead};
use super::tailer::Tailer;
use rustix::fs::Statx;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Names of targets, by the numbers of their directories.
pub(super) type Targets = HashMap<u32, HashSet<Arc<[u8]>>>;

/// By what a name is meant: an input whose patterns mean it, or the link that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Meant {
    pub(crate) input: u32,
    pub(crate) link: Option<Place>,
}

/// Where a link leads, whether that is there or not.
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// Whose the link is.
    pub(super) owner: u32,
}

impl Tailer {
    /// By what a name is meant.
    pub(super) fn meant(&self, dir: u32, name: &[u8]) -> Option<Meant> {
        if let Some(input) = self.wanted(dir, name) {
            return Some(Meant { input, link: None });
        }
        let known = self.dirs.get(dir as usize)?.as_ref()?;
        let target = known.entries.get(name);
        known.links.get(name)?.iter().find_map(|(dir, name)| {
            // It may be pointed elsewhere by now.
            let key = self.dirs.get(*dir as usize)?.as_ref()?.entries.get(name);
            let input = self.wanted(*dir, name).filter(|input| self.follows(*input))?;
            let link = Some((*dir, Arc::clone(name)));
            (key.is_none() || key == target).then_some(Meant { input, link })
        })
    }

    fn follows(&self, input: u32) -> bool {
        self.inputs.get(input as usize).is_some_and(|input| input.symlinks == Symlinks::Owned)
    }

    /// Where a path that is meant leads when it is a link.
    ///
    /// # Errors
    /// `MFILE` and `NFILE`: there is no descriptor to look it up with.
    pub(super) fn target_of(&self, path: &Path) -> rustix::io::Result<Option<Target>> {
        let is_followed = self.looks_for(path).is_some_and(|input| self.follows(input));
        let at = path.parent().zip(path.file_name()).filter(|_| is_followed);
        let at = at.and_then(|(parent, name)| Some((parent, self.directory_at(parent)?, name)));
        let Some((parent, dir, name)) = at else { return Ok(None) };
        let (target, owner) = match self.read_link(dir, name.as_bytes()) {
            Ok(link) => link,
            Err(errno) if is_short(errno) => return Err(errno),
            // It is no link, or none that may be read.
            Err(_) => return Ok(None),
        };
        let end = end_of(parent.join(OsStr::from_bytes(target.as_bytes())));
        Ok(end.map(|(parent, name)| {
            let known =
                self.directory_at(&parent).and_then(|dir| self.dirs.get(dir as usize)?.as_ref());
            Target { path: known.map_or(&*parent, |known| &known.path).join(name), owner }
        }))
    }

    /// Where a file may have another name that is known by this path, with the owner of the link
    /// that leads there.
    ///
    /// # Errors
    /// Those of [`Tailer::target_of`].
    pub(super) fn folders(&self, path: &Path) -> rustix::io::Result<Vec<(PathBuf, Option<u32>)>> {
        let beside = path.parent().map(|parent| (parent.to_owned(), None));
        let target = self.target_of(path)?;
        let behind = target.and_then(|to| Some((to.path.parent()?.to_owned(), Some(to.owner))));
        Ok(beside.into_iter().chain(behind).collect())
    }

    /// Whether the owner of a link, if it is for one, may have this read.
    pub(super) fn may_read_for(&self, link: Option<&Place>, stat: &Statx) -> bool {
        link.is_none_or(|(dir, name)| {
            self.read_link(*dir, name).is_ok_and(|(_, owner)| may_lead(Some(owner), stat))
        })
    }

    /// The directory that a link leads to is watched too, because writes are told there.
    pub(super) fn watch_target(&mut self, key: FileKey, found: &Candidate, now: Instant) {
        let Some((parent, name)) = end_of(found.path.clone()) else { return };
        self.enter(&parent, &[], None, true, now);
        let Some(dir) = self.directory_at(&parent) else { return };
        let name: Arc<[u8]> = name.as_bytes().into();
        let wanted = self.wanted(dir, &name).is_some();
        let may_be_unseen = self.files.get(key).is_some_and(|file| self.may_be_unseen(file));
        let Some(Some(known)) = self.dirs.get_mut(dir as usize) else { return };
        let link = (found.dir, found.name.clone());
        let links = known.links.entry(name.clone()).or_default();
        let is_new = !links.contains(&link);
        if is_new {
            links.push(link);
        }
        // No event tells, or told for this link, what was rotated before.
        let is_live = self.unseen_since.is_none() && !self.first_scan;
        if may_be_unseen || (is_live && is_new && self.before_reload.is_none()) {
            self.unseen_targets.entry(dir).or_default().insert(Arc::clone(&name));
        }
        if known.entries.contains_key(&name) {
            return;
        }
        known.entries.insert(name.clone(), key);
        if let Some(file) = self.files.get_mut(key) {
            file.homes.push(Home { directory: dir, name, wanted });
        }
    }

    /// Looks for what was made and renamed while nobody looked, beside targets that were, too.
    pub(super) fn look_beside_targets(&mut self, now: Instant) {
        for (dir, targets) in std::mem::take(&mut self.unseen_targets) {
            let Some(Some(known)) = self.dirs.get(dir as usize) else { continue };
            self.looks += 1;
            let entries = std::fs::read_dir(&known.path).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name());
            let mut names: Vec<OsString> = names
                .filter(|name| {
                    let live = stem(name.as_bytes());
                    live.len() < name.len() && targets.contains(live)
                })
                .collect();
            names.sort_unstable();
            for name in names {
                self.looks += 1;
                self.refresh(dir, name.as_bytes(), None, now);
            }
        }
    }

    /// What a name leads to may have changed, and with it what links to that name lead to.
    pub(super) fn refresh_links(&mut self, dir: u32, name: &[u8], now: Instant) {
        let Some(Some(known)) = self.dirs.get(dir as usize) else { return };
        for (dir, name) in known.links.get(name).cloned().unwrap_or_default() {
            self.refresh(dir, &name, None, now);
        }
    }

    /// Forgets links that lead elsewhere by now.
    pub(super) fn forget_links(&mut self) {
        for index in 0..self.dirs.len() {
            let Some(Some(dir)) = self.dirs.get_mut(index) else { continue };
            let mut links = std::mem::take(&mut dir.links);
            links.retain(|target, of| {
                let key_at = |dir: u32, name: &[u8]| {
                    self.dirs.get(dir as usize)?.as_ref()?.entries.get(name).copied()
                };
                let target = u32::try_from(index).ok().and_then(|index| key_at(index, target));
                of.retain(|(dir, name)| target.is_some() && key_at(*dir, name) == target);
                !of.is_empty()
            });
            if let Some(Some(dir)) = self.dirs.get_mut(index) {
                dir.links = links;
            }
        }
    }
}

/// The directory and the name where a path ends, over all links that it is.
fn end_of(path: PathBuf) -> Option<(PathBuf, OsString)> {
    let mut at = path;
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&at) else {
            let parent = std::fs::canonicalize(at.parent()?).ok()?;
            return Some((parent, at.file_name()?.to_owned()));
        };
        at = at.parent()?.join(target);
    }
    None
}
