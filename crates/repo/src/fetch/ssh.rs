//! Git over ssh: the system's `ssh` program runs `git-upload-pack` on the server and we talk to
//! its pipes. The host key is always checked and nothing is ever asked interactively. No secret
//! is in the argument list: keys are named by path.

use super::watch::{Failure, Incoming, Source, Watch};
use crate::error::Cause;
use crate::{Fetch, RepoError, Ssh};
use hyper::body::Bytes;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Bytes of the program's messages that are kept.
const MESSAGES_BYTES_MAX: u64 = 16 * 1024;

/// Bytes that are read from the program at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that wait for their reader.
const CHUNKS_WAITING_MAX: usize = 8;

/// How long the program may take to say why it ended.
const MESSAGES_WAIT: Duration = Duration::from_secs(2);

/// The server's side of the conversation.
pub(super) struct Server<'a> {
    pub(super) reading: Incoming<'a>,
    pub(super) writing: ChildStdin,
    pub(super) process: Process,
}

/// The running program; ended when this is dropped.
pub(super) struct Process {
    child: Child,
    messages: Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program.
pub(super) fn connect<'a>(
    spec: &Fetch,
    (user, host, port, path): (Option<&str>, &str, Option<u16>, &str),
    watch: Watch<'a>,
) -> Result<Server<'a>, RepoError> {
    let program = spec.ssh.program.as_deref().unwrap_or(Path::new("ssh"));
    let failed = |source| RepoError::SshProgram { program: program.display().to_string(), source };
    let target = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    let mut child = Command::new(program)
        .args(options(&spec.ssh, port, spec.limits.connect_timeout))
        .arg("--")
        .arg(target)
        .arg(format!("git-upload-pack {}", quoted(path)))
        .env("GIT_PROTOCOL", "version=2")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(writing), Some(output), Some(errors)) = pipes else {
        return Err(failed(io::Error::other("it has no pipes")));
    };
    let (chunk_sender, chunks) = sync_channel(CHUNKS_WAITING_MAX);
    std::thread::spawn(move || pump(output, &chunk_sender));
    let (message_sender, messages) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut errors = errors;
        let _ = errors.by_ref().take(MESSAGES_BYTES_MAX).read_to_end(&mut bytes);
        let _ = message_sender.send(String::from_utf8_lossy(&bytes).into_owned());
        let _ = io::copy(&mut errors, &mut io::sink());
    });
    let reading = Incoming::new(watch, Source::Pipe(chunks));
    Ok(Server { reading, writing, process: Process { child, messages } })
}

impl Process {
    /// Why the conversation broke off, from what the program said; `None` when it said nothing
    /// that we know.
    pub(super) fn explain(&mut self, spec: &Fetch, failure: &Failure) -> Option<RepoError> {
        if let Some(error) = failure.take() {
            return Some(error);
        }
        let text = self.messages.recv_timeout(MESSAGES_WAIT).ok()?;
        classify(&text, spec)
    }
}

fn pump(mut output: impl Read, chunks: &SyncSender<io::Result<Bytes>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match output.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                Ok(Bytes::from(chunk))
            }
            Err(error) => Err(error),
        };
        let last = read.is_err();
        if chunks.send(read).is_err() || last {
            return;
        }
    }
}

fn options(ssh: &Ssh, port: Option<u16>, connect_timeout: Duration) -> Vec<OsString> {
    let mut options: Vec<OsString> = ["-T", "-x", "-a"].map(OsString::from).to_vec();
    let mut set = |text: String| options.extend([OsString::from("-o"), OsString::from(text)]);
    set("BatchMode=yes".to_owned());
    set("StrictHostKeyChecking=yes".to_owned());
    set("UpdateHostKeys=no".to_owned());
    set("SendEnv=GIT_PROTOCOL".to_owned());
    set(format!("ConnectTimeout={}", connect_timeout.as_secs().max(1)));
    if let Some(path) = &ssh.known_hosts {
        set(format!("UserKnownHostsFile={}", option_path(path)));
        set("GlobalKnownHostsFile=/dev/null".to_owned());
    }
    if let Some(path) = &ssh.identity_file {
        set("IdentitiesOnly=yes".to_owned());
        set(format!("IdentityFile={}", option_path(path)));
        set("PreferredAuthentications=publickey".to_owned());
    }
    if let Some(port) = port {
        set(format!("Port={port}"));
    }
    options
}

/// A path as ssh's options take it: in quotes because of blanks, per cent signs doubled.
fn option_path(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

/// A word for the server's shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn classify(text: &str, spec: &Fetch) -> Option<RepoError> {
    let url = spec.url.to_string();
    let source = Cause::new(meaningful(text));
    let said = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Some(if said(&["REMOTE HOST IDENTIFICATION HAS CHANGED"]) {
        let source = Cause::new("the server shows another key than the known one");
        RepoError::HostKey { url, changed: true, source }
    } else if said(&["Host key verification failed", "host key is known for"]) {
        RepoError::HostKey { url, changed: false, source }
    } else if said(&["Permission denied (", "Too many authentication failures", "Load key"]) {
        RepoError::Authenticate { url, sent: spec.ssh.identity_file.is_some(), source }
    } else if said(&["Could not resolve hostname"]) {
        RepoError::Resolve { url, source }
    } else if said(&["Connection refused", "Connection timed out", "No route to host"]) {
        RepoError::Connect { url, source }
    } else if said(&["does not appear to be a git repository", "epository not found", "not exist"])
    {
        RepoError::RepositoryNotFound { url, source }
    } else if text.trim().is_empty() {
        return None;
    } else {
        RepoError::ListReferences { url, source }
    })
}

/// The lines that say something, joined.
fn meaningful(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let plain = lines.filter(|line| !line.is_empty() && !line.starts_with('@'));
    plain.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reference, RepoUrl};
    use std::path::PathBuf;

    #[test]
    fn gitops_15_the_host_key_is_always_checked_and_nothing_is_asked() {
        let ssh = Ssh {
            identity_file: Some(PathBuf::from("/k/my key")),
            known_hosts: Some(PathBuf::from("/k/known%hosts")),
            program: None,
        };
        let line: Vec<String> = options(&ssh, Some(2222), Duration::from_secs(20))
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .filter(|word| word != "-o")
            .collect();
        expect_test::expect![[r#"
            -T -x -a BatchMode=yes StrictHostKeyChecking=yes UpdateHostKeys=no SendEnv=GIT_PROTOCOL ConnectTimeout=20 UserKnownHostsFile="/k/known%%hosts" GlobalKnownHostsFile=/dev/null IdentitiesOnly=yes IdentityFile="/k/my key" PreferredAuthentications=publickey Port=2222"#]]
        .assert_eq(&line.join(" "));
        let plain = options(&Ssh::default(), None, Duration::from_secs(1));
        assert!(plain.contains(&OsString::from("StrictHostKeyChecking=yes")));
    }

    #[test]
    fn a_path_cannot_leave_its_quotes_on_the_server() {
        assert_eq!(quoted("a'; rm -rf /; '"), r"'a'\''; rm -rf /; '\'''");
    }

    #[test]
    fn what_ssh_says_is_told_by_phase() {
        let spec = Fetch::new(RepoUrl::parse("git@h:a").unwrap(), Reference::Head);
        let told = |text: &str| classify(text, &spec).map(|error| error.to_string());
        expect_test::expect![[r"
            cannot verify the host key of ssh://git@h/~/a: it is not known
            cannot verify the host key of ssh://git@h/~/a: it has changed
            ssh://git@h/~/a asks for credentials and none were given
            cannot resolve the host of ssh://git@h/~/a
            cannot connect to ssh://git@h/~/a
            there is no Git repository at ssh://git@h/~/a
            cannot list the references of ssh://git@h/~/a"]]
        .assert_eq(
            &[
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
                "@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "git@h: Permission denied (publickey).",
                "ssh: Could not resolve hostname h: Name or service not known",
                "ssh: connect to host h port 22: Connection refused",
                "fatal: 'a' does not appear to be a git repository",
                "something else",
            ]
            .map(|text| told(text).unwrap())
            .join("\n"),
        );
        assert_eq!(told(""), None);
    }
}
