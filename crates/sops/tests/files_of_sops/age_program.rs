//! Files of the real `age`.

use crate::encryptor::{identity, secret};
use crate::whole::keys;
use std::io::Write as _;
use std::process::{Command, Stdio};

fn age(arguments: &[&str], plain: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("age");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(plain).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "age {arguments:?}");
    Some(output.stdout)
}

#[test]
fn gitops_18_files_of_the_real_age_are_decrypted_at_every_size_of_chunk() {
    const CHUNK: usize = 64 << 10;
    let [ours, other] = [keys(1), keys(2)].map(|keys| keys.recipients().swap_remove(0));
    for length in [0, 1, 32, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7] {
        let plain: Vec<u8> = (0_u8..=250).cycle().take(length).collect();
        for armour in [&["-a"][..], &[]] {
            let recipients = ["-r", other.as_str(), "-r", ours.as_str()];
            let Some(file) = age(&[armour, &recipients[..]].concat(), &plain) else {
                eprintln!("SKIP files of age: age is not installed");
                return;
            };
            let opened = sops::age::decrypt(&file, &keys(1)).unwrap();
            assert!(opened.as_slice() == plain, "{length} bytes");
            assert!(sops::age::decrypt(&file, &keys(3)).is_err());
        }
    }
    // The identity that our tests write is one for the real program too.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, identity(&secret(1))).unwrap();
    let file = age(&["-r", &ours], b"back").unwrap();
    let plain = age(&["-d", "-i", path.to_str().unwrap()], &file).unwrap();
    assert_eq!(plain, b"back");
}
