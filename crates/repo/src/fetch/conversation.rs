//! The conversation with a Git server over any transport: greet, ask for exactly the wanted
//! reference, ask for its commit one deep, receive the pack.

use super::cache::Generation;
use super::pack::{Bounded, Bounds, PackError, write_pack};
use super::transport::Transport;
use super::watch::{Failure, Pace, Watch};
use super::{Step, near_names};
use crate::error::Cause;
use crate::wire::{self, Greeting, Listed, RemoteRef, Request, SideBand, WireError};
use crate::{Fetch, Reference, RepoError};
use gix_hash::ObjectId;
use std::io::{self, Read};
use std::path::Path;

/// Bytes after the last one that means something, before a connection is given up.
const TRAILING_BYTES_MAX: u64 = 4096;

/// References that are looked at for names near to one that was not found.
const NEAR_REFERENCES_MAX: usize = 10_000;

/// One conversation.
pub(super) struct Conversation<'a> {
    pub(super) transport: Transport<'a>,
    pub(super) spec: &'a Fetch,
    pub(super) watch: Watch<'a>,
    pub(super) progress: &'a (dyn Fn(Step) + Sync),
}

/// What the wanted reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The full name; a commit's id when that was wanted.
    pub(super) name: String,
    /// A commit, or the object of an annotated tag.
    pub(super) id: ObjectId,
    /// The commit, when `id` is a tag.
    pub(super) peeled: Option<ObjectId>,
}

/// The one that a reference names, of those whose names it may mean.
pub(super) fn chosen(
    reference: &Reference,
    mut found: Vec<RemoteRef>,
    url: &str,
) -> Result<Found, RepoError> {
    if let Reference::Versions(range) = reference {
        let highest = range.highest(found.iter().map(|r| r.name.as_str()));
        let highest = highest.map(str::to_owned);
        found.retain(|r| Some(&r.name) == highest.as_ref());
    }
    let url = url.to_owned();
    match (found.as_slice(), reference) {
        ([r], _) => {
            let name = r.target.clone().unwrap_or_else(|| r.name.clone());
            Ok(Found { name, id: r.id, peeled: r.peeled })
        }
        ([_, _, ..], Reference::Name(name)) => {
            Err(RepoError::AmbiguousReference { url, name: name.clone() })
        }
        _ => {
            let (reference, near) = (reference.clone(), Vec::new());
            Err(RepoError::ReferenceNotFound { url, reference, near })
        }
    }
}

/// Why there is no list of references.
pub(super) fn list_failed(url: &str, error: &WireError) -> RepoError {
    match error {
        WireError::TooMany(limit) => {
            let (from, path) = (url.to_owned(), "refs/".to_owned());
            RepoError::TooMany { from, what: "references", limit: *limit, path }
        }
        error => RepoError::ListReferences { url: url.to_owned(), source: Cause::of(error) },
    }
}

impl<'a> Conversation<'a> {
    /// Brings the wanted revision into the generation and gives its id (a tag's own id when it is
    /// annotated).
    pub(super) fn run(
        &mut self,
        greeting: &Greeting,
        generation: &mut Generation,
    ) -> Result<ObjectId, RepoError> {
        (self.progress)(Step::ListReferences);
        let (tip, received) = match self.expected(greeting, generation) {
            Some((expected, resolver)) => {
                let (found, answer) = self.bring_expected(resolver, expected, greeting, generation);
                let tip = found?.id;
                (tip, (tip == expected).then_some(answer))
            }
            None => (self.resolve(greeting, true)?.id, None),
        };
        if generation.state.tips.contains(&tip) {
            return Ok(tip);
        }
        let answer = match received {
            Some(answer) => answer?,
            None => self.bring(tip, greeting, generation)?,
        };
        let filtered = self.request(tip, generation).is_filtered(greeting);
        generation.add_tip(tip, filtered, &answer)?;
        Ok(tip)
    }

    /// The commit that the reference is said to name, when asking for it before the server has
    /// said so may save time, and a conversation in which the server is asked.
    fn expected(
        &self,
        greeting: &Greeting,
        generation: &Generation,
    ) -> Option<(ObjectId, Conversation<'a>)> {
        let expected = ObjectId::from_hex(self.spec.expected.as_ref()?.as_bytes()).ok()?;
        let tips = &generation.state.tips;
        // Into an empty cache a whole tree would come, perhaps for nothing.
        if !greeting.version2 || tips.is_empty() || tips.contains(&expected) {
            return None;
        }
        let (Transport::Http(http), false) =
            (&self.transport, matches!(self.spec.reference, Reference::Commit(_)))
        else {
            return None;
        };
        let pace = Pace::new(&self.spec.limits);
        let watch = Watch { failure: Failure::default(), pace, ..self.watch.clone() };
        let transport = Transport::Http(Box::new(http.beside(watch.clone())));
        let (spec, progress) = (self.spec, self.progress);
        Some((expected, Conversation { transport, spec, watch, progress }))
    }

    /// Asks what the reference names and, meanwhile, for what it is said to name. The objects lie
    /// in the generation then, and count for nothing as long as no tip is noted.
    fn bring_expected(
        &mut self,
        mut resolver: Conversation<'_>,
        expected: ObjectId,
        greeting: &Greeting,
        generation: &Generation,
    ) -> (Result<Found, RepoError>, Result<wire::Answer, RepoError>) {
        std::thread::scope(|scope| {
            let asked = scope.spawn(move || resolver.resolve(greeting, true));
            let answer = self.bring(expected, greeting, generation);
            // Whatever the answer was, it is not about what comes next.
            self.watch.failure.take();
            let found = asked.join().unwrap_or_else(|_| {
                let source = Cause::new("an internal task failed");
                Err(RepoError::ListReferences { url: self.url(), source })
            });
            (found, answer)
        })
    }

    /// Brings one commit into the generation, without noting that it is here.
    fn bring(
        &mut self,
        tip: ObjectId,
        greeting: &Greeting,
        generation: &Generation,
    ) -> Result<wire::Answer, RepoError> {
        (self.progress)(Step::Negotiate);
        let (request, objects) = (self.request(tip, generation), generation.objects());
        self.receive(greeting, &request, &objects, Some(&objects), None)
    }

    fn request(&self, tip: ObjectId, generation: &Generation) -> Request {
        let file_bytes = self.spec.limits.file_bytes;
        Request {
            want: tip,
            haves: generation.state.tips.clone(),
            shallow: generation.state.shallow.clone(),
            depth: Some(1),
            // The filter leaves out files of this size and more.
            filter: Some(format!("blob:limit={}", file_bytes.saturating_add(1))),
            thin: !generation.state.tips.is_empty(),
        }
    }

    fn url(&self) -> String {
        self.watch.url.clone()
    }

    fn list_failed(&self, error: &WireError) -> RepoError {
        self.watch.failure.take().unwrap_or_else(|| list_failed(&self.watch.url, error))
    }

    pub(super) fn greet(&mut self) -> Result<Greeting, RepoError> {
        (self.progress)(Step::ListReferences);
        let limit = self.spec.limits.references;
        let ends = self.transport.answers_end();
        let reading = self.transport.greet()?;
        let greeting = wire::greeting(reading, limit);
        if ends && greeting.is_ok() {
            reading.finish();
        }
        greeting.map_err(|error| self.list_failed(&error))
    }

    /// The object that the wanted reference names. `near` says whether a name that is not there is
    /// worth another list, for a hint.
    pub(super) fn resolve(&mut self, greeting: &Greeting, near: bool) -> Result<Found, RepoError> {
        if let Reference::Commit(commit) = &self.spec.reference {
            return self.commit(greeting, commit);
        }
        let reference = &self.spec.reference;
        let mut found = Vec::new();
        self.list(greeting, &reference.prefixes(), &mut |r| {
            if reference.names(&r.name) {
                found.push(r);
            }
            true
        })?;
        match chosen(reference, found, &self.watch.url) {
            Err(RepoError::ReferenceNotFound { url, reference, .. }) if near => {
                let near = self.near(greeting);
                Err(RepoError::ReferenceNotFound { url, reference, near })
            }
            found => found,
        }
    }

    fn commit(&self, greeting: &Greeting, commit: &str) -> Result<Found, RepoError> {
        let (url, commit) = (self.url(), commit.to_owned());
        let Ok(id) = ObjectId::from_hex(commit.as_bytes()) else {
            let reason = "it is not a commit id";
            return Err(RepoError::InvalidReference { reference: commit, reason });
        };
        if !greeting.gives_out(id) {
            let source = Cause::new("the server gives out only the tips of branches and tags");
            return Err(RepoError::CommitNotFound { url, commit, source });
        }
        Ok(Found { name: commit, id, peeled: None })
    }

    /// The names that are near to the wanted one. Best effort: this runs while an error is told.
    fn near(&mut self, greeting: &Greeting) -> Vec<String> {
        let all = ["refs/heads/".to_owned(), "refs/tags/".to_owned()];
        let mut names = Vec::new();
        let _ = self.list(greeting, &all, &mut |r| {
            names.push(r.name);
            names.len() < NEAR_REFERENCES_MAX
        });
        near_names(&self.spec.reference, &names)
    }

    /// The references that start with one of the prefixes; an old server sent all of them with
    /// its greeting.
    fn list(
        &mut self,
        greeting: &Greeting,
        prefixes: &[String],
        see: &mut dyn FnMut(RemoteRef) -> bool,
    ) -> Result<(), RepoError> {
        if !greeting.version2 {
            let _ = greeting.refs.iter().cloned().all(see);
            return Ok(());
        }
        let request = wire::listing_request(greeting, prefixes);
        let limit = self.spec.limits.references;
        let ends = self.transport.answers_end();
        let reading = self.transport.ask(request, &self.watch.url)?;
        let listed = wire::listing(reading, limit, see);
        if ends && matches!(listed, Ok(Listed::Whole)) {
            reading.finish();
        }
        listed.map(drop).map_err(|error| self.list_failed(&error))
    }

    /// Asks for objects and writes their pack below `objects`.
    pub(super) fn receive(
        &mut self,
        greeting: &Greeting,
        request: &Request,
        objects: &Path,
        bases: Option<&Path>,
        objects_max: Option<(usize, &'static str)>,
    ) -> Result<wire::Answer, RepoError> {
        let bytes = request.bytes(greeting).map_err(|error| self.refused(error))?;
        let (watch, progress) = (self.watch.clone(), self.progress);
        let ends = self.transport.answers_end();
        let reading = self.transport.ask(bytes, &watch.url)?;
        let mut answer = match wire::answer(reading, greeting.version2) {
            Ok(answer) => answer,
            Err(error) => return Err(self.refused(error)),
        };
        let mut pack = SideBand::new(reading, &mut answer);
        let bounds = Bounds { limits: &self.spec.limits, objects: objects_max };
        let bounded = Bounded::new(&mut pack, bounds, &watch, progress);
        let written = write_pack(bounded, objects, bases);
        if written.is_ok() {
            let _ = io::copy(&mut pack.take(TRAILING_BYTES_MAX), &mut io::sink());
            if ends {
                reading.finish();
            }
        }
        written.map_err(|error| self.pack_failed(error, objects))?;
        Ok(answer)
    }

    /// Why there is no pack.
    fn refused(&self, error: WireError) -> RepoError {
        if let Some(kept) = self.watch.failure.take() {
            return kept;
        }
        let (url, source) = (self.url(), Cause::of(&error));
        let text = source.to_string();
        let gone = ["not our ref", "unadvertised object"].iter().any(|words| text.contains(words));
        match (&self.spec.reference, error) {
            (Reference::Commit(commit), WireError::Refused(_)) if gone => {
                RepoError::CommitNotFound { url, commit: commit.clone(), source }
            }
            (reference, WireError::Refused(_)) if gone => {
                RepoError::ReferenceMoved { url, reference: reference.clone(), source }
            }
            (_, WireError::Io(_)) => RepoError::ReceivePack { url, source },
            _ => RepoError::Negotiate { url, source },
        }
    }

    fn pack_failed(&self, error: PackError, objects: &Path) -> RepoError {
        let url = self.url();
        let source = match error {
            PackError::DiskFull => return RepoError::DiskFull { path: objects.to_owned() },
            PackError::Failed(source) => source,
        };
        if let Some(kept) = self.watch.failure.take() {
            return kept;
        }
        if self.watch.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return RepoError::Cancelled { url };
        }
        RepoError::ReceivePack { url, source }
    }
}
