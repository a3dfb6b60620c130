//! The conversation with a Git server over any transport: greet, ask for exactly the wanted
//! reference, ask for its commit one deep, receive the pack.

use super::cache::Generation;
use super::watch::Watch;
use super::{Step, near_names};
use crate::error::Cause;
use crate::{Fetch, Reference, RepoError};
use gix::ObjectId;
use gix::bstr::BString;
use gix::odb::pack;
use gix::progress::Discard;
use gix::protocol::fetch::{Arguments, Context, Options, Response, Shallow, Tags, negotiate};
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::Service;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::{Handshake, LsRefsCommand};
use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

/// How we call ourselves to servers.
const AGENT: &str = concat!("git/orlop-", env!("CARGO_PKG_VERSION"));

/// One conversation.
pub(super) struct Conversation<'a, T> {
    pub(super) transport: T,
    pub(super) spec: &'a Fetch,
    pub(super) watch: Watch<'a>,
    pub(super) progress: &'a (dyn Fn(Step) + Sync),
}

impl<T: Transport> Conversation<'_, T> {
    /// Brings the wanted revision into the generation and gives its id (a tag's own id when it is
    /// annotated).
    pub(super) fn run(&mut self, generation: &mut Generation) -> Result<ObjectId, RepoError> {
        (self.progress)(Step::ListReferences);
        let mut handshake = self.greet()?;
        let tip = self.resolve(&mut handshake)?;
        if generation.state.tips.contains(&tip) {
            return Ok(tip);
        }
        (self.progress)(Step::Negotiate);
        let filtered = self.receive(&mut handshake, tip, generation)?;
        generation.add_tip(tip, filtered)?;
        Ok(tip)
    }

    fn url(&self) -> String {
        self.watch.url.clone()
    }

    /// The kept failure, or this one.
    fn failed(&self, otherwise: impl FnOnce(Cause) -> RepoError, error: &gix::Error) -> RepoError {
        self.watch.failure.take().unwrap_or_else(|| otherwise(Cause::of(error)))
    }

    fn list_failed(&self, error: &gix::Error) -> RepoError {
        self.failed(|source| RepoError::ListReferences { url: self.url(), source }, error)
    }

    fn greet(&mut self) -> Result<Handshake, RepoError> {
        let nobody = |_| Ok(None);
        let transport = &mut self.transport;
        let result = gix::protocol::handshake(
            transport,
            Service::UploadPack,
            nobody,
            Vec::new(),
            &mut Discard,
        );
        result.map_err(|error| self.list_failed(&error))
    }

    /// The object that the wanted reference names.
    fn resolve(&mut self, handshake: &mut Handshake) -> Result<ObjectId, RepoError> {
        if let Reference::Commit(commit) = &self.spec.reference {
            let invalid = |_| RepoError::InvalidReference {
                reference: commit.clone(),
                reason: "it is not a commit id",
            };
            let id = ObjectId::from_hex(commit.as_bytes()).map_err(invalid)?;
            if !gives_out(handshake, id) {
                let source = Cause::new("the server gives out only the tips of branches and tags");
                let commit = commit.clone();
                return Err(RepoError::CommitNotFound { url: self.url(), commit, source });
            }
            return Ok(id);
        }
        let wanted = self.spec.reference.candidates();
        let refs = self.list(handshake, &wanted)?;
        let found: Vec<ObjectId> = refs
            .iter()
            .filter_map(|r| {
                let (name, target, tag) = r.unpack();
                let exact = wanted.iter().any(|w| name == w.as_str());
                exact.then(|| tag.or(target).map(ToOwned::to_owned)).flatten()
            })
            .collect();
        match (found.as_slice(), &self.spec.reference) {
            ([id], _) => Ok(*id),
            ([_, _, ..], Reference::Name(name)) => {
                Err(RepoError::AmbiguousReference { url: self.url(), name: name.clone() })
            }
            _ => {
                let all = ["refs/heads/".to_owned(), "refs/tags/".to_owned()];
                let names = self.list(handshake, &all).unwrap_or_default();
                let names: Vec<String> = names.iter().map(|r| r.unpack().0.to_string()).collect();
                let reference = self.spec.reference.clone();
                let near = near_names(&reference, &names);
                Err(RepoError::ReferenceNotFound { url: self.url(), reference, near })
            }
        }
    }

    /// The references that start with one of the prefixes; an old server sends all of them with
    /// its greeting.
    fn list(&mut self, handshake: &Handshake, prefixes: &[String]) -> Result<Vec<Ref>, RepoError> {
        if let Some(refs) = &handshake.refs {
            return Ok(refs.clone());
        }
        let mut wanted = RefPrefixes::new();
        wanted.extend(prefixes.iter().map(|prefix| BString::from(prefix.as_str())));
        let agent = ("agent", Some(AGENT.into()));
        let command = LsRefsCommand::new(Some(wanted), &handshake.capabilities, agent);
        let result = command.invoke_blocking(&mut self.transport, &mut Discard, false);
        result.map_err(|error| self.list_failed(&error))
    }

    /// Receives the pack; tells whether large files were left out.
    fn receive(
        &mut self,
        handshake: &mut Handshake,
        tip: ObjectId,
        generation: &Generation,
    ) -> Result<bool, RepoError> {
        let mut wants = Wants {
            tip,
            haves: generation.state.tips.clone(),
            file_bytes: self.spec.limits.file_bytes,
            filtered: false,
        };
        let (spec, watch, progress) = (self.spec, self.watch.clone(), self.progress);
        let objects = generation.objects();
        let consume =
            |pack: &mut dyn BufRead, _: &mut dyn gix::DynNestedProgress, cancel: &AtomicBool| {
                let counted = Counted { pack, bytes: 0, spec, watch: &watch, progress };
                write_pack(counted, &objects, cancel)?;
                Ok(true)
            };
        let context = Context {
            handshake,
            transport: &mut self.transport,
            user_agent: ("agent", Some(AGENT.into())),
            trace_packetlines: false,
        };
        let options = Options {
            shallow_file: generation.dir.join("shallow"),
            shallow: &Shallow::DepthAtRemote(NonZeroU32::MIN),
            tags: Tags::None,
            reject_shallow_remote: false,
        };
        let outcome =
            gix::protocol::fetch(&mut wants, consume, Discard, self.watch.cancel, context, options);
        match outcome {
            Ok(_) => Ok(wants.filtered),
            Err(error) => Err(self.receive_failed(&error, generation)),
        }
    }

    fn receive_failed(&self, error: &gix::Error, generation: &Generation) -> RepoError {
        let url = self.url();
        if is_disk_full(error) {
            return RepoError::DiskFull { path: generation.dir.clone() };
        }
        if let Some(kept) = self.watch.failure.take() {
            return kept;
        }
        if self.watch.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return RepoError::Cancelled { url };
        }
        let source = Cause::of(error);
        let text = source.to_string();
        // The last one is how an old server's refusal looks where a pack is expected.
        let refused = ["not our ref", "unadvertised object", "non-side channel line"];
        if refused.iter().any(|words| text.contains(words)) {
            return match &self.spec.reference {
                Reference::Commit(commit) => {
                    RepoError::CommitNotFound { url, commit: commit.clone(), source }
                }
                _ => RepoError::Negotiate { url, source },
            };
        }
        let negotiating = ["fetch arguments", "decode server reply", "negotiat", "Server lack"];
        if negotiating.iter().any(|words| text.contains(words)) {
            RepoError::Negotiate { url, source }
        } else {
            RepoError::ReceivePack { url, source }
        }
    }
}

/// Whether the server can be asked for an object by its id; with protocol 2, always.
fn gives_out(handshake: &Handshake, id: ObjectId) -> bool {
    let Some(refs) = &handshake.refs else { return true };
    let offers = ["allow-reachable-sha1-in-want", "allow-any-sha1-in-want"];
    offers.iter().any(|offer| handshake.capabilities.contains(offer))
        || refs.iter().any(|r| {
            let (_, target, tag) = r.unpack();
            [target, tag].into_iter().flatten().any(|known| known == id)
        })
}

/// Asks for one commit and tells which ones are here. One round is enough: with a depth of one
/// there is no history to compare.
struct Wants {
    tip: ObjectId,
    haves: Vec<ObjectId>,
    file_bytes: u64,
    filtered: bool,
}

impl gix::protocol::fetch::Negotiate for Wants {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        Ok(negotiate::Action::MustNegotiate { remote_ref_target_known: vec![false] })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        if arguments.can_use_filter() {
            // The filter leaves out files of this size and more.
            let limit = self.file_bytes.saturating_add(1);
            arguments.filter(&format!("blob:limit={limit}"));
            self.filtered = true;
        }
        arguments.want(self.tip);
        true
    }

    fn one_round(
        &mut self,
        _state: &mut negotiate::one_round::State,
        arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(negotiate::Round, bool)> {
        for have in &self.haves {
            arguments.have(have);
        }
        let round = negotiate::Round {
            haves_sent: self.haves.len(),
            in_vain: 0,
            haves_to_send: self.haves.len(),
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}

/// Counts a pack on its way, and stops it at the limit.
struct Counted<'a> {
    pack: &'a mut dyn BufRead,
    bytes: u64,
    spec: &'a Fetch,
    watch: &'a Watch<'a>,
    progress: &'a (dyn Fn(Step) + Sync),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check_cancel()?;
        let read = self.pack.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        let limit = self.spec.limits.pack_bytes;
        if self.bytes > limit {
            let url = self.watch.url.clone();
            return Err(self.watch.failure.keep(RepoError::PackTooLarge { url, limit }));
        }
        (self.progress)(Step::Receive { bytes: self.bytes });
        Ok(read)
    }
}

/// Writes the pack and its index; both appear under their names only when they are whole.
fn write_pack(
    pack: Counted<'_>,
    objects: &std::path::Path,
    cancel: &AtomicBool,
) -> gix::Result<()> {
    let bases = gix::odb::at(objects, gix::hash::Kind::Sha1).map_err(gix::Error::from_error)?;
    let options = pack::bundle::write::Options {
        alloc_limit_bytes: Some(pack.spec.limits.object_bytes),
        ..pack::bundle::write::Options::default()
    };
    let outcome = pack::Bundle::write_to_directory(
        &mut BufReader::new(pack),
        Some(&objects.join("pack")),
        &mut Discard,
        cancel,
        Some(bases),
        gix::hash::Kind::Sha1,
        options,
    )?;
    if let Some(keep) = outcome.keep_path {
        std::fs::remove_file(keep).map_err(gix::Error::from_error)?;
    }
    Ok(())
}

/// Whether a full file system is anywhere among the causes.
fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|e| e.kind() == io::ErrorKind::StorageFull)
            || error.to_string().contains("No space left on device")
        {
            return true;
        }
        next = error.source();
    }
    false
}
