//! R31: what this process writes itself is never read.

use super::*;
use std::fs::{File, create_dir, hard_link, rename};
use std::os::unix::fs::symlink;
use std::sync::Arc;

/// A desk whose process writes these files by their paths.
fn desk_with(pattern: &str, files: &[&str]) -> Desk {
    let mut desk = Desk::new(&[pattern]);
    let mut own = Own::default();
    for file in files {
        own.add_file(&desk.path(file));
    }
    desk.inputs[0].own = Arc::new(own);
    for dir in ["logs", "out"] {
        create_dir(desk.path(dir)).unwrap();
    }
    desk
}

fn told(desk: &mut Desk) -> Vec<PathBuf> {
    let path = |notice| match notice {
        Notice::Own { path } => path,
        other => panic!("{other}"),
    };
    desk.notices().into_iter().map(path).collect()
}

#[test]
fn r31_a_file_that_we_write_is_not_read_over_whatever_links_its_path_goes() {
    type Make = fn(&Desk);
    let ways: [(&str, &str, Make); 5] = [
        ("as it is", "logs/own.log", |_| ()),
        ("over a folder", "way/own.log", |desk| {
            symlink(desk.path("logs"), desk.path("way")).unwrap();
        }),
        ("as a link", "out/file", |desk| {
            symlink(desk.path("logs/own.log"), desk.path("out/file")).unwrap();
        }),
        ("behind a link", "out/file", |desk| {
            symlink(desk.path("out/file"), desk.path("logs/own.log")).unwrap();
        }),
        ("in a folder behind a link", "out/own.log", |desk| {
            symlink(desk.path("out"), desk.path("logs/deep")).unwrap();
        }),
    ];
    for (name, own, make) in ways {
        for is_there in [true, false] {
            let mut desk = desk_with("logs/**/*.log", &[own]);
            make(&desk);
            desk.write("logs/a.log", "a\n");
            if is_there {
                desk.write(own, "own\n");
            }
            desk.start();
            // Made, written to, looked for by its name and with everything.
            desk.write(own, "own\n");
            desk.run();
            desk.write(own, "own\n");
            desk.write("logs/b.log", "b\n");
            desk.pass(Duration::from_secs(120));
            assert_eq!(desk.take(), "a\nb\n", "{name} {is_there}");
            assert_eq!((told(&mut desk).len(), desk.stats().own), (1, 1), "{name} {is_there}");
            assert_eq!((desk.stats().failures, desk.stats().unreadable), (0, 0));
        }
    }
}

#[test]
fn r31_what_a_rotation_makes_of_our_file_is_not_read_and_its_neighbours_are() {
    let mut desk = desk_with("logs/*.log*", &["way/own.log"]);
    symlink(desk.path("logs"), desk.path("way")).unwrap();
    // From an earlier process.
    desk.write("logs/own.log.2", "own\n");
    desk.write("logs/own.log-20260101", "own\n");
    desk.start();
    for round in 0..3 {
        desk.write("way/own.log", "own\n");
        desk.run();
        rename(desk.path("logs/own.log"), desk.path("logs/own.log.1")).unwrap();
        if round == 1 {
            // Nobody looked between.
            desk.write("way/own.log", "own\n");
        }
        desk.run();
    }
    for near in ["logs/own.log2", "logs/own.log.old", "logs/my-own.log", "logs/own.logs.1"] {
        desk.write(near, format!("{near}\n"));
    }
    desk.run();
    assert_eq!(desk.take().lines().count(), 4);
    assert_eq!((told(&mut desk).len(), desk.stats().own), (4, 4), "once for each name");
}

#[test]
fn r31_our_file_is_not_read_under_another_name_either() {
    let mut desk = desk_with("logs/*", &["logs/own.log"]);
    desk.write("logs/own.log", "own\n");
    desk.start();
    rename(desk.path("logs/own.log"), desk.path("logs/kept")).unwrap();
    desk.run();
    hard_link(desk.path("logs/kept"), desk.path("logs/more")).unwrap();
    desk.write("logs/own.log", "own\n");
    desk.pass(Duration::from_secs(120));
    assert_eq!(desk.take(), "");
}

#[test]
fn r31_what_is_open_for_our_output_is_not_read_under_any_name() {
    let mut desk = desk_with("logs/*.log*", &[]);
    desk.write("logs/out.log", "own\n");
    let mut own = Own::default();
    own.add_open(&File::open(desk.path("logs/out.log")).unwrap());
    // Only files can be read back.
    own.add_open(&File::open("/dev/null").unwrap());
    own.add_open(&File::open(desk.path("logs")).unwrap());
    desk.inputs[0].own = Arc::new(own);
    symlink(desk.path("logs/out.log"), desk.path("logs/link.log")).unwrap();
    desk.write("logs/a.log", "a\n");
    desk.start();
    desk.write("logs/out.log", "own\n");
    desk.run();
    // As `copytruncate` does it, and as a rename.
    std::fs::copy(desk.path("logs/out.log"), desk.path("logs/out.log.1")).unwrap();
    desk.run();
    rename(desk.path("logs/out.log"), desk.path("logs/other.log")).unwrap();
    desk.write("logs/other.log", "own\n");
    desk.pass(Duration::from_secs(120));
    assert_eq!(desk.take(), "a\n");
}

#[test]
fn r31_no_file_of_our_own_folder_is_read_and_what_is_in_folders_below_is() {
    let mut desk = desk_with("**/*.jsonl", &[]);
    let mut own = Own::default();
    own.add_folder(&desk.path("out"));
    desk.inputs[0].own = Arc::new(own);
    desk.write("out/dead.jsonl", "own\n");
    desk.write("out/deep/a.jsonl", "a\n");
    symlink(desk.path("out/dead.jsonl"), desk.path("logs/link.jsonl")).unwrap();
    desk.start();
    desk.write("out/more.jsonl", "own\n");
    rename(desk.path("out/dead.jsonl"), desk.path("out/dead.1.jsonl")).unwrap();
    desk.pass(Duration::from_secs(120));
    assert_eq!(desk.take(), "a\n");
    let (mut told, own) = (told(&mut desk), desk.stats().own);
    told.sort();
    assert_eq!((told, own), (vec![desk.path("logs/link.jsonl"), desk.path("out")], 2));
    // What is taken out of it is meant to be read.
    rename(desk.path("out/more.jsonl"), desk.path("logs/again.jsonl")).unwrap();
    assert_eq!(desk.run().take(), "own\n");
}

#[test]
fn r31_r30_a_file_that_a_reload_makes_our_own_is_read_no_further() {
    let mut desk = desk_with("logs/*.log", &[]);
    symlink(desk.path("logs"), desk.path("way")).unwrap();
    desk.write("logs/a.log", "a\n");
    desk.write("logs/own.log", "before\n");
    desk.start().take();
    let mut own = Own::default();
    own.add_file(&desk.path("way/own.log"));
    desk.inputs[0].own = Arc::new(own);
    let (inputs, now) = (desk.inputs.clone(), desk.now);
    desk.tail().reconfigure(inputs, now);
    desk.write("logs/own.log", "own\n");
    desk.write("logs/a.log", "more\n");
    desk.pass(Duration::from_secs(120));
    assert_eq!((desk.take().as_str(), desk.ended.len()), ("more\n", 1));
}

#[test]
fn r31_nobody_asks_a_remote_file_system_about_a_file_that_lies_elsewhere() {
    let mut desk = desk_with("logs/*.log", &[]);
    // It leads to a file that is read, which only who asks can know.
    desk.write("logs/a.log", "a\n");
    symlink(desk.path("logs/a.log"), desk.path("out/own.log")).unwrap();
    let mut own = Own::default();
    let remote = RemoteFile::of(&desk.path("out/own.log"));
    own.add_file(&desk.path("out/own.log"));
    desk.inputs[0].own = Arc::new(own);
    let device = std::os::unix::fs::MetadataExt::dev(&desk.path("logs").metadata().unwrap());
    remote.set(device + 1);
    desk.start();
    assert_eq!(desk.take(), "a\n");
    // On the same one it is asked.
    remote.set(device);
    rename(desk.path("logs/a.log"), desk.path("logs/b.log")).unwrap();
    symlink(desk.path("logs/c.log"), desk.path("out/new")).unwrap();
    rename(desk.path("out/new"), desk.path("out/own.log")).unwrap();
    desk.write("logs/c.log", "own\n");
    assert_eq!(desk.run().take(), "");
    // What is opened on a local one, and what leads elsewhere, is asked for.
    remote.set(device + 1);
    remote.check(&desk.path("out/own.log"));
    desk.write("logs/d.log", "d\n");
    assert_eq!(desk.run().take(), "d\n");
    assert!(!remote.is_elsewhere([0, 0]));
    remote.set(device + 1);
    let file = File::open(desk.path("logs/d.log")).unwrap();
    remote.tell(&desk.path("logs/d.log"), &file);
    assert!(!remote.is_elsewhere([0, 0]));
    remote.set(device);
    remote.check(&desk.path("logs/d.log"));
    remote.check(&desk.path("logs/e.log"));
    assert!(remote.is_elsewhere([0, 0]), "it is there, or will be");
}
