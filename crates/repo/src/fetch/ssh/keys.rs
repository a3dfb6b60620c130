//! What proves who we are over ssh, and whom we believe: files and the agent.
//!
//! A private key that is given is the only one that is offered; when it has a passphrase, an agent
//! that holds it is asked. Without one the agent's keys are offered, then those of `~/.ssh`. Known
//! hosts are those of the given file, else of `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
//! Files are read anew for each use and bounded; nothing of ssh's own configuration is read.

use crate::{Cause, RepoError, Ssh};
use ring::digest;
use ring::rand::SystemRandom;
use ssh::{AgentKey, Identity, KeyError, KnownHosts, PrivateKey, SignRequest, agent};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

/// Private keys of a person, in the order in which they are offered.
const IDENTITY_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Known hosts of the whole machine.
const GLOBAL_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

/// How long the agent may take to list its keys.
const LIST_WAIT: Duration = Duration::from_secs(5);

/// The name to log in with where the URL has none and the environment does not say.
const LOGIN_NAME: &str = "git";

/// The name that ssh logs in with where the URL has none: the one of who runs this.
pub(super) fn login_name() -> String {
    let name = |key| env::var(key).ok().filter(|name| !name.is_empty());
    name("LOGNAME").or_else(|| name("USER")).unwrap_or_else(|| LOGIN_NAME.to_owned())
}

/// Keys and known hosts for one connection.
pub(super) struct Material {
    pub(super) identities: Vec<Identity>,
    pub(super) known_hosts: KnownHosts,
    /// The agent's socket.
    pub(super) agent: Option<PathBuf>,
    digest: digest::Context,
}

impl Material {
    pub(super) fn gather(ssh: &Ssh) -> Result<Self, RepoError> {
        let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let agent = ssh.agent_socket.clone();
        let agent = agent.or_else(|| env::var_os("SSH_AUTH_SOCK").map(PathBuf::from));
        let agent = agent.filter(|path| !path.as_os_str().is_empty());
        Self::gather_from(ssh, home.as_deref().map(|home| home.join(".ssh")).as_deref(), agent)
    }

    fn gather_from(
        ssh: &Ssh,
        folder: Option<&Path>,
        agent: Option<PathBuf>,
    ) -> Result<Self, RepoError> {
        let mut material = Self {
            identities: Vec::new(),
            known_hosts: KnownHosts::new(),
            agent,
            digest: digest::Context::new(&digest::SHA256),
        };
        match (&ssh.known_hosts, folder) {
            (Some(path), _) => material.add_known_hosts(path, true)?,
            (None, folder) => {
                if let Some(folder) = folder {
                    material.add_known_hosts(&folder.join("known_hosts"), false)?;
                }
                material.add_known_hosts(Path::new(GLOBAL_KNOWN_HOSTS), false)?;
            }
        }
        match &ssh.identity_file {
            Some(path) => material.add_identity(path)?,
            None => material.add_default_identities(folder),
        }
        Ok(material)
    }

    /// Tells material apart, to use a connection again only with the same.
    pub(super) fn digest(&self) -> [u8; 32] {
        let digest = self.digest.clone().finish();
        digest.as_ref().try_into().unwrap_or_default()
    }

    fn count(&mut self, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.digest.update(&length.to_be_bytes());
        self.digest.update(bytes);
    }

    fn add_known_hosts(&mut self, path: &Path, must_be: bool) -> Result<(), RepoError> {
        let failed = |source| RepoError::KnownHosts { path: path.to_owned(), source };
        let bytes = match read(path, ssh::KNOWN_HOSTS_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if !must_be && error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(Cause::of(&error))),
        };
        self.count(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let added = self.known_hosts.add(&path.display().to_string(), &text);
        added.map_err(|reason| failed(Cause::new(reason)))
    }

    /// The one key that is given.
    fn add_identity(&mut self, path: &Path) -> Result<(), RepoError> {
        let refused =
            |source, hint| RepoError::IdentityFile { path: path.to_owned(), source, hint };
        let bytes = read(path, ssh::PRIVATE_KEY_BYTES_MAX)
            .map_err(|source| RepoError::CredentialFile { path: path.to_owned(), source })?;
        self.count(&bytes);
        let error = match PrivateKey::read(&bytes, &SystemRandom::new()) {
            Ok(key) => {
                self.identities.push(Identity::Private(key));
                return Ok(());
            }
            Err(error) => error,
        };
        if let KeyError::Encrypted { public: Some(public) } = &error {
            let held = self.agent_keys().into_iter().find(|key| key.blob() == public);
            if let Some(key) = held {
                self.identities.push(Identity::Agent(key));
                return Ok(());
            }
        }
        Err(refused(Cause::of(&error), error.hint()))
    }

    /// The agent's keys, then those of files that the agent does not hold.
    fn add_default_identities(&mut self, folder: Option<&Path>) {
        let held = self.agent_keys();
        for key in &held {
            self.count(key.blob());
        }
        let files = folder.into_iter().flat_map(|folder| IDENTITY_FILES.map(|n| folder.join(n)));
        let mut own = Vec::new();
        for path in files {
            let Ok(bytes) = read(&path, ssh::PRIVATE_KEY_BYTES_MAX) else { continue };
            self.count(&bytes);
            match PrivateKey::read(&bytes, &SystemRandom::new()) {
                Ok(key) if held.iter().all(|other| other.blob() != key.public().blob()) => {
                    own.push(Identity::Private(key));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "an ssh key is passed over");
                }
            }
        }
        self.identities.extend(held.into_iter().map(Identity::Agent));
        self.identities.extend(own);
    }

    fn agent_keys(&self) -> Vec<AgentKey> {
        let Some(path) = &self.agent else { return Vec::new() };
        let listed = ask(path, &agent::list_request(), LIST_WAIT)
            .and_then(|message| agent::read_list(&message).map_err(io::Error::other));
        listed.unwrap_or_else(|error| {
            tracing::debug!(%error, "the ssh agent does not answer");
            Vec::new()
        })
    }
}

/// Has the agent sign.
pub(super) fn sign(agent: &Path, request: &SignRequest, wait: Duration) -> Result<Vec<u8>, String> {
    let message = ask(agent, &agent::sign_request(request), wait)
        .map_err(|error| format!("the agent does not answer: {error}"))?;
    agent::read_signature(&message, &request.algorithm).map_err(str::to_owned)
}

/// One question to the agent; its answer without the length in front.
fn ask(path: &Path, question: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
    let mut socket = UnixStream::connect(path)?;
    // A timeout of nothing would be none at all.
    let wait = Some(wait.max(Duration::from_millis(1)));
    socket.set_read_timeout(wait)?;
    socket.set_write_timeout(wait)?;
    socket.write_all(question)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let bytes = agent::message_bytes(length).map_err(io::Error::other)?;
    let mut message = vec![0; bytes];
    socket.read_exact(&mut message)?;
    Ok(message)
}

/// A whole file, up to a limit.
fn read(path: &Path, most: usize) -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    // Reserved at once, so that no smaller buffer with a part of a key is left behind.
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(16 * 1024));
    fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::other("the file is too long"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_file_is_another_material_and_the_same_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let known = dir.path().join("known_hosts");
        let digest = |text: &str| {
            fs::write(&known, text).unwrap();
            Material::gather_from(&Ssh::default(), Some(dir.path()), None).unwrap().digest()
        };
        let first = digest("# a");
        assert_eq!(first, digest("# a"));
        assert_ne!(first, digest("# b"));
    }

    #[test]
    fn files_that_are_given_must_be_there_and_those_of_home_need_not() {
        let dir = tempfile::tempdir().unwrap();
        let gather = |ssh: &Ssh| Material::gather_from(ssh, Some(dir.path()), None);
        assert!(gather(&Ssh::default()).unwrap().identities.is_empty());
        let mut given = Ssh { known_hosts: Some(dir.path().join("none")), ..Ssh::default() };
        assert!(matches!(gather(&given).err(), Some(RepoError::KnownHosts { .. })));
        given = Ssh { identity_file: Some(dir.path().join("none")), ..Ssh::default() };
        assert!(matches!(gather(&given).err(), Some(RepoError::CredentialFile { .. })));
        fs::write(dir.path().join("id_rsa"), "not a key").unwrap();
        assert!(gather(&Ssh::default()).unwrap().identities.is_empty());
        given = Ssh { identity_file: Some(dir.path().join("id_rsa")), ..Ssh::default() };
        assert!(matches!(gather(&given).err(), Some(RepoError::IdentityFile { .. })));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, [0; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        assert!(read(&path, 99).is_err());
    }
}
