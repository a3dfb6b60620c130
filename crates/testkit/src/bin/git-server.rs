//! Serves one folder as a Git repository over smart HTTP, for the demo.
//!
//! `git-server FOLDER NAME [ADDRESS]` listens on loopback, or on another address of this host that
//! pods can reach, commits the folder's files to the branch `main` of `NAME.git`, prints
//! one line of JSON with the URL and the repository's path, and serves until it is killed.

use std::io::Write as _;
use std::path::Path;
use testkit::git::{GitServer, GitServerOptions};

fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(name)) = (words.next(), words.next()) else {
        return Err(std::io::Error::other("usage: git-server FOLDER NAME [ADDRESS]"));
    };
    let listen = words.next().map(|word| word.parse()).transpose();
    let listen = listen.map_err(std::io::Error::other)?;
    let options = GitServerOptions { listen, ..GitServerOptions::default() };
    let server = GitServer::start_with(&options)?;
    let file = format!("{name}.git");
    let repository = server.repository(&file)?;
    let files = read(Path::new(&folder))?;
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    repository.push(&files, "The demo as it is delivered first")?;
    let path = repository.path().display().to_string();
    let line = serde_json::json!({"url": server.url(&file), "repository": path});
    let mut output = std::io::stdout();
    writeln!(output, "{line}")?;
    output.flush()?;
    loop {
        std::thread::park();
    }
}

/// The files of a folder without sub-folders, by name.
fn read(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            files.push((name.to_string_lossy().into_owned(), std::fs::read(&path)?));
        }
    }
    files.sort();
    Ok(files)
}
