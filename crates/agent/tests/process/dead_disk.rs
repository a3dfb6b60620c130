//! R20: a file system of a sink that answers nothing any more, as a dead NFS or FUSE. Here it is a
//! small FUSE server with one folder of files, of which only their lengths are kept.

use super::support::{Agent, Desk, lines};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Numbers of the protocol (`linux/fuse.h`).
mod op {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const SETATTR: u32 = 4;
    pub(super) const OPEN: u32 = 14;
    pub(super) const WRITE: u32 = 16;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FSYNC: u32 = 20;
    pub(super) const FLUSH: u32 = 25;
    pub(super) const INIT: u32 = 26;
    pub(super) const OPENDIR: u32 = 27;
    pub(super) const RELEASEDIR: u32 = 29;
    pub(super) const FSYNCDIR: u32 = 30;
    pub(super) const CREATE: u32 = 35;
    pub(super) const INTERRUPT: u32 = 36;
}

const ROOT: u64 = 1;
const HEADER: usize = 40;

/// A mounted file system. Who waits for it cannot be ended before it is unmounted.
struct Disk {
    path: PathBuf,
    device: File,
    is_dead: Arc<AtomicBool>,
    /// Requests that were not answered.
    unanswered: Arc<AtomicUsize>,
}

impl Disk {
    fn mount(desk: &Desk) -> Option<Self> {
        let path = desk.path("far");
        std::fs::create_dir(&path).unwrap();
        let skip = |reason: &dyn std::fmt::Display| {
            testkit::cluster::skip(format_args!("no file system of its own: {reason}"));
        };
        let device = match File::options().read(true).write(true).open("/dev/fuse") {
            Ok(device) => device,
            Err(error) => {
                skip(&error);
                return None;
            }
        };
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let kind = rustix::mount::MountFlags::empty();
        let options = std::ffi::CString::new(options).unwrap();
        if let Err(error) = rustix::mount::mount("test", &path, "fuse", kind, &*options) {
            skip(&error);
            return None;
        }
        let disk = Self { path, device, is_dead: Arc::default(), unanswered: Arc::default() };
        let (mut serving, is_dead) = (disk.device.try_clone().unwrap(), disk.is_dead.clone());
        let unanswered = disk.unanswered.clone();
        std::thread::spawn(move || {
            let (mut server, mut request) = (Server::default(), vec![0; 1 << 20]);
            while let Ok(length) = serving.read(&mut request) {
                if is_dead.load(Ordering::SeqCst) {
                    unanswered.fetch_add(1, Ordering::SeqCst);
                } else if let Some(answer) = server.answer(request.get(..length).unwrap()) {
                    serving.write_all(&answer).unwrap();
                }
            }
        });
        Some(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Who waits for an answer is let go by the end of the connection, which no file holds.
        let _ = Command::new("umount").args(["-f", "-l"]).arg(&self.path).status();
    }
}

/// Files by their names: each with its number and its length.
#[derive(Default)]
struct Server(HashMap<Vec<u8>, (u64, u64)>);

impl Server {
    /// What to answer to a request, if anything.
    fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let long =
            |at: usize| u64::from_ne_bytes(*request.get(at..).unwrap().first_chunk().unwrap());
        let short =
            |at: usize| u32::from_ne_bytes(*request.get(at..).unwrap().first_chunk().unwrap());
        let name = |at: usize| {
            let mut names = request.get(at..).unwrap().split(|byte| *byte == 0);
            names.next().unwrap().to_vec()
        };
        let (node, first) = (long(16), HEADER);
        let longs = |longs: &[u64]| longs.iter().flat_map(|one| one.to_ne_bytes()).collect();
        let known = || Ok([longs(&[1, 0]), self.attributes(node)].concat());
        let answer: Result<Vec<u8>, i32> = match short(4) {
            // Version 7.31, and what the kernel may send at once.
            op::INIT => {
                let head: Vec<u8> = [7_u32, 31, 65_536, 0].map(u32::to_ne_bytes).concat();
                let rest: Vec<u8> = [0x000a_000c_u32, 65_536, 1].map(u32::to_ne_bytes).concat();
                Ok([head, rest, vec![0; 36]].concat())
            }
            op::LOOKUP => match self.0.get(&name(first)) {
                Some((node, _)) => Ok(self.entry(*node)),
                None => Err(rustix::io::Errno::NOENT.raw_os_error()),
            },
            op::GETATTR => known(),
            op::SETATTR => {
                let (valid, length) = (short(first), long(first + 16));
                if valid & 8 != 0 {
                    self.change(node, |_| length);
                }
                Ok([longs(&[1, 0]), self.attributes(node)].concat())
            }
            op::CREATE => {
                let number = self.0.len() as u64 + ROOT + 1;
                self.0.insert(name(first + 16), (number, 0));
                Ok([self.entry(number), longs(&[number, 0])].concat())
            }
            op::OPEN | op::OPENDIR => Ok(longs(&[node, 0])),
            op::WRITE => {
                let (offset, length) = (long(first + 8), u64::from(short(first + 16)));
                self.change(node, |size| size.max(offset + length));
                Ok(longs(&[length]))
            }
            op::STATFS => {
                let sizes: Vec<u8> = longs(&[1 << 20, 1 << 20, 1 << 20, 1_000, 1_000]);
                let rest: Vec<u8> = [4_096_u32, 255, 4_096, 0].map(u32::to_ne_bytes).concat();
                Ok([sizes, rest, vec![0; 24]].concat())
            }
            op::RELEASE | op::FSYNC | op::FLUSH | op::RELEASEDIR | op::FSYNCDIR => Ok(Vec::new()),
            op::FORGET | op::INTERRUPT => return None,
            _ => Err(rustix::io::Errno::NOSYS.raw_os_error()),
        };
        let (code, body) = answer.map_or_else(|code| (-code, Vec::new()), |body| (0, body));
        let length = u32::try_from(body.len() + 16).unwrap();
        let head = [length.to_ne_bytes(), code.to_ne_bytes()].concat();
        Some([head, long(8).to_ne_bytes().to_vec(), body].concat())
    }

    fn change(&mut self, node: u64, size: impl Fn(u64) -> u64) {
        for (_, known) in self.0.values_mut().filter(|(number, _)| *number == node) {
            *known = size(*known);
        }
    }

    fn entry(&self, node: u64) -> Vec<u8> {
        let head = [node, 1, 1, 1, 0].map(u64::to_ne_bytes).concat();
        [head, self.attributes(node)].concat()
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let size = self.0.values().find(|(number, _)| *number == node).map_or(0, |known| known.1);
        let mode = if node == ROOT { 0o040_755 } else { 0o100_640 };
        let longs = [node, size, size.div_ceil(512), 0, 0, 0].map(u64::to_ne_bytes).concat();
        let shorts = [0, 0, 0, mode, 1, 0, 0, 0, 4_096, 0].map(u32::to_ne_bytes).concat();
        [longs, shorts].concat()
    }
}

fn config(desk: &Desk, path: &str) {
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
         line_max_bytes: 64Ki}}]\ncheckpoint_interval: 50ms\nmemory_max_bytes: 8Mi\n\
         shutdown_timeout: 300ms\n\
         sinks: [{{type: file, name: far, path: 'DIR/{path}', batch: {{wait: 5ms}}}}]\n"
    ));
}

fn until_read(agent: &Agent, desk: &Desk, number: usize) {
    agent.until_status(&desk.path("state"), |status| {
        status.pointer("/records/read").unwrap() == number
    });
}

#[test]
fn r20_new_files_are_read_while_the_file_system_of_a_file_sink_answers_nothing() {
    let desk = Desk::new();
    let Some(disk) = Disk::mount(&desk) else { return };
    config(&desk, "far/out.jsonl");
    desk.append("logs/a.log", &lines(0, 100));
    let agent = desk.start();
    // From here on it is unmounted first, also when this fails.
    let disk = disk;
    agent.until_status(&desk.path("state"), |status| {
        status["files"]["shown"][0]["delivered"] == status["files"]["shown"][0]["size"]
    });
    disk.is_dead.store(true, Ordering::SeqCst);
    desk.append("logs/a.log", &lines(100, 200));
    // The sink waits for an answer.
    agent.until_status(&desk.path("state"), |_| disk.unanswered.load(Ordering::SeqCst) > 0);
    desk.append("logs/b.log", &lines(200, 300));
    until_read(&agent, &desk, 300);
    // It is left there, and another one goes on in its place.
    config(&desk, "near.jsonl");
    desk.append("logs/c.log", &lines(300, 400));
    until_read(&agent, &desk, 400);
    agent.until_status(&desk.path("state"), |_| {
        let text = std::fs::read_to_string(desk.path("near.jsonl")).unwrap_or_default();
        text.lines().count() == 300
    });
    drop(disk);
    assert_eq!(agent.stop(), 0);
}
