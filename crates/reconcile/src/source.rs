//! From a GitSync's source to what `repo` fetches: the reference, and credentials from a Secret.
//!
//! Credentials are held in memory for [`crate::MATERIAL_SECONDS`]. Keys and certificates that the
//! Git port takes as files are written to a folder of this process, readable by it alone, and go
//! with the source.

use crate::home::{Home, Material, MaterialKind};
use crate::{MATERIAL_SECONDS, ReconcileError};
use gitops::spec::{Reference, SyncKey, Valid};
use repo::{Credentials, Fetch, RepoUrl, Secret, Ssh, TOKEN_USERNAME, VersionRange};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of one object of a pack: less than a workstation takes. An object takes twice its size in
/// memory while it is indexed, so that three GitSyncs may fetch such a thing at once in what the
/// deployment allows (256 MiB). Only servers without partial clone send one at all.
const OBJECT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a Secret's keys are called.
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const TOKEN: &str = "token";
const IDENTITY: &str = "identity";
const KNOWN_HOSTS: &str = "known_hosts";
const CA: &str = "ca.crt";

/// Credentials of one GitSync, and when they were read.
#[derive(Default)]
pub(crate) struct Keys {
    read: Option<(Instant, String, Material)>,
    folder: Option<Folder>,
}

impl Keys {
    /// Reads them anew at the next fetch: they may be why the last one failed.
    pub(crate) fn forget(&mut self) {
        self.read = None;
    }

    /// What to fetch for a GitSync.
    pub(crate) async fn fetch(
        &mut self,
        home: &dyn Home,
        sync: &Valid,
        cache: &Path,
    ) -> Result<Fetch, ReconcileError> {
        let key = sync.key();
        let refused =
            |source| ReconcileError::Source { sync: key.clone(), source: Box::new(source) };
        let url = RepoUrl::parse(&sync.spec().source.url).map_err(refused)?;
        let reference = match sync.reference() {
            Reference::Branch(name) => repo::Reference::branch(name),
            Reference::Tag(name) => repo::Reference::tag(name),
            Reference::Commit(id) => repo::Reference::Commit(id.clone()),
            Reference::Semver(range) => {
                repo::Reference::Versions(VersionRange::parse(range).map_err(refused)?)
            }
        };
        let mut fetch = Fetch::new(url, reference);
        fetch.limits.object_bytes = OBJECT_BYTES_MAX;
        fetch.path.clone_from(&sync.spec().source.path);
        if let Some(secret) = &sync.spec().source.secret_ref {
            let material = self.material(home, &key, &secret.name).await?;
            self.fill(&mut fetch, &material, cache, &key)?;
        }
        Ok(fetch)
    }

    async fn material(
        &mut self,
        home: &dyn Home,
        key: &SyncKey,
        name: &str,
    ) -> Result<Material, ReconcileError> {
        if let Some((at, known, material)) = &self.read
            && known == name
            && at.elapsed() < Duration::from_secs(MATERIAL_SECONDS)
        {
            return Ok(material.clone());
        }
        let found = home.material(key, MaterialKind::Secret, name).await?;
        let material = found.ok_or_else(|| missing(key, name, "does not exist"))?;
        self.read = Some((Instant::now(), name.to_owned(), material.clone()));
        Ok(material)
    }

    fn fill(
        &mut self,
        fetch: &mut Fetch,
        material: &Material,
        cache: &Path,
        key: &SyncKey,
    ) -> Result<(), ReconcileError> {
        fetch.credentials = match (material.text(TOKEN), material.text(PASSWORD)) {
            (Some(token), _) => {
                let user = material.text(USERNAME).unwrap_or(TOKEN_USERNAME);
                Some(Credentials::new(user, Secret::new(token)))
            }
            (None, Some(password)) => {
                let user = material.text(USERNAME).unwrap_or(TOKEN_USERNAME);
                Some(Credentials::new(user, Secret::new(password)))
            }
            (None, None) => None,
        };
        let mut files = [CA, IDENTITY, KNOWN_HOSTS].map(|name| (name, material.text(name)));
        files.sort_unstable();
        if files.iter().any(|(_, text)| text.is_some()) {
            let folder = match &self.folder {
                Some(folder) => folder,
                None => self.folder.insert(Folder::make(cache, key)?),
            };
            let put = |name: &str| match material.text(name) {
                Some(text) => folder.put(name, text).map(Some),
                None => Ok(None),
            };
            fetch.ca_file = put(CA)?;
            fetch.ssh = Ssh {
                identity_file: put(IDENTITY)?,
                known_hosts: put(KNOWN_HOSTS)?,
                ..Ssh::default()
            };
        }
        Ok(())
    }
}

pub(crate) fn missing(key: &SyncKey, name: &str, problem: &str) -> ReconcileError {
    ReconcileError::MaterialMissing {
        kind: MaterialKind::Secret.name(),
        namespace: key.namespace.clone(),
        name: name.to_owned(),
        problem: problem.to_owned(),
    }
}

/// A folder for this process alone; it goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn make(cache: &Path, key: &SyncKey) -> Result<Self, ReconcileError> {
        let name = format!("keys-{}-{}.{}", std::process::id(), key.namespace, key.name);
        let path = cache.join(name);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| ReconcileError::File { path: path.clone(), source })?;
        Ok(Self(path))
    }

    fn put(&self, name: &str, text: &str) -> Result<PathBuf, ReconcileError> {
        let path = self.0.join(name);
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&path)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")
        };
        write().map_err(|source| ReconcileError::File { path: path.clone(), source })?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It holds nothing that is not in the Secret; what cannot be deleted is ours alone.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn gitops_15_keys_on_disk_are_for_this_process_alone_and_go_with_it() {
        let cache = tempfile::tempdir().unwrap();
        let folder = Folder::make(cache.path(), &SyncKey::new("a", "b")).unwrap();
        let file = folder.put(IDENTITY, "CANARY").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder.0)), (0o600, 0o700));
        drop(folder);
        assert!(!file.exists());
    }
}
