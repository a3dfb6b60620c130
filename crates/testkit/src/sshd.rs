//! A real OpenSSH server for tests of Git over ssh, with a host key and an authorised key of its
//! own. It listens on loopback only.
//!
//! The listener is ours, on a port that nobody else can take, and hands each connection to an
//! `sshd -i`. As an ordinary user sshd lets in that user only, which is what the tests use.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Where Debian and others install the server.
const PROGRAMS: [&str; 2] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"];

/// Where sshd, run by root, wants an empty folder.
const SEPARATION_DIR: &str = "/run/sshd";

/// A running server.
#[derive(Debug)]
pub struct Sshd {
    root: TempDir,
    port: u16,
    user: String,
}

impl Sshd {
    /// Starts a server; `Ok(Err(reason))` says why this machine cannot.
    ///
    /// # Errors
    /// When keys cannot be made or no port can be listened on.
    pub fn start() -> io::Result<Result<Self, String>> {
        Self::start_with(&["-t", "ed25519"], "")
    }

    /// Starts a server with a host key of this kind (`ssh-keygen`'s arguments) and more lines of
    /// its configuration.
    ///
    /// # Errors
    /// When keys cannot be made or no port can be listened on.
    pub fn start_with(host_key: &[&str], more: &str) -> io::Result<Result<Self, String>> {
        let Some(program) = PROGRAMS.iter().map(Path::new).find(|path| path.exists()) else {
            return Ok(Err("sshd is not installed (Debian: openssh-server)".into()));
        };
        let root = tempfile::tempdir()?;
        for name in ["host_key", "other_host_key"] {
            make_key(&root.path().join(name), host_key, "")?;
        }
        for name in ["user_key", "stranger_key"] {
            make_key(&root.path().join(name), &["-t", "ed25519"], "")?;
        }
        let authorized = std::fs::read_to_string(root.path().join("user_key.pub"))?;
        std::fs::write(root.path().join("authorized_keys"), authorized)?;
        let user = Command::new("id").arg("-un").output()?;
        let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
        if user == "root" {
            std::fs::create_dir_all(SEPARATION_DIR)?;
        }
        let config = root.path().join("sshd_config");
        std::fs::write(&config, settings(root.path()) + more)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let sshd = Self { root, port, user };
        for (file, key) in [("known_hosts", "host_key"), ("wrong_hosts", "other_host_key")] {
            sshd.write_known_hosts(file, key)?;
        }
        std::fs::write(sshd.root.path().join("no_hosts"), "")?;
        let (program, log) = (program.to_owned(), sshd.root.path().join("sshd.log"));
        // The thread ends with the test process; it holds nothing but the port.
        std::thread::spawn(move || serve(&listener, &program, &config, &log));
        Ok(Ok(sshd))
    }

    /// The URL of a repository on this machine.
    #[must_use]
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repository.display())
    }

    /// Other lines at the end of its configuration, for connections from now on.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn configure(&self, more: &str) -> io::Result<()> {
        std::fs::write(self.root.path().join("sshd_config"), settings(self.root.path()) + more)
    }

    /// Where the server listens on this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user that is let in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Makes one more key that is let in, with `ssh-keygen`'s arguments and a passphrase.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn add_user_key(&self, name: &str, kind: &[&str], passphrase: &str) -> io::Result<PathBuf> {
        let path = self.root.path().join(name);
        make_key(&path, kind, passphrase)?;
        let public = std::fs::read(path.with_extension("pub"))?;
        let authorized = self.root.path().join("authorized_keys");
        let mut file = std::fs::OpenOptions::new().append(true).open(authorized)?;
        io::Write::write_all(&mut file, &public)?;
        Ok(path)
    }

    /// The key that is let in.
    #[must_use]
    pub fn user_key(&self) -> PathBuf {
        self.root.path().join("user_key")
    }

    /// A key that is not let in.
    #[must_use]
    pub fn stranger_key(&self) -> PathBuf {
        self.root.path().join("stranger_key")
    }

    /// Known hosts that have the server's key.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.root.path().join("known_hosts")
    }

    /// Known hosts that have another key for the server.
    #[must_use]
    pub fn wrong_hosts(&self) -> PathBuf {
        self.root.path().join("wrong_hosts")
    }

    /// Known hosts that do not have the server.
    #[must_use]
    pub fn no_hosts(&self) -> PathBuf {
        self.root.path().join("no_hosts")
    }

    /// What the server said; for the message of a failing test.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.path().join("sshd.log")).unwrap_or_default()
    }

    fn write_known_hosts(&self, file: &str, key: &str) -> io::Result<()> {
        let key = std::fs::read_to_string(self.root.path().join(format!("{key}.pub")))?;
        let line = format!("[127.0.0.1]:{} {key}", self.port);
        std::fs::write(self.root.path().join(file), line)
    }
}

/// A running `ssh-agent`; ended when this is dropped.
#[derive(Debug)]
pub struct Agent {
    root: TempDir,
    pid: String,
}

impl Agent {
    /// Starts an agent without keys.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> io::Result<Self> {
        let root = tempfile::tempdir()?;
        let output =
            Command::new("ssh-agent").arg("-a").arg(root.path().join("socket")).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pid = text.split_once("SSH_AGENT_PID=").and_then(|(_, rest)| rest.split_once(';'));
        let (pid, _) = pid.ok_or_else(|| io::Error::other(text.clone()))?;
        Ok(Self { root, pid: pid.to_owned() })
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.path().join("socket")
    }

    /// Gives it a key without a passphrase.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn add(&self, key: &Path) -> io::Result<()> {
        let output = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", self.socket())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(&self.pid).status();
    }
}

fn settings(root: &Path) -> String {
    let root = root.display();
    format!(
        "HostKey {root}/host_key\n\
         AuthorizedKeysFile {root}/authorized_keys\n\
         PidFile none\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\n\
         StrictModes no\n\
         UsePAM no\n\
         AcceptEnv GIT_PROTOCOL\n"
    )
}

fn make_key(path: &Path, kind: &[&str], passphrase: &str) -> io::Result<()> {
    let output = Command::new("ssh-keygen")
        .arg("-q")
        .args(kind)
        .args(["-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(())
}

fn serve(listener: &TcpListener, program: &Path, config: &Path, log: &Path) {
    while let Ok((stream, _)) = listener.accept() {
        let Ok(copy) = stream.try_clone() else { continue };
        let child = Command::new(program)
            .args(["-i", "-E"])
            .arg(log)
            .arg("-f")
            .arg(config)
            .stdin(Stdio::from(OwnedFd::from(stream)))
            .stdout(Stdio::from(OwnedFd::from(copy)))
            .stderr(Stdio::null())
            .spawn();
        if let Ok(mut child) = child {
            std::thread::spawn(move || child.wait());
        }
    }
}
