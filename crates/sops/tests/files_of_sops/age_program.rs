//! Files of the real `age`.

use crate::encryptor::{identity, secret};
use crate::whole::keys;
use std::path::Path;
use std::process::Command;

/// What `age` makes of a file; nothing when it is not on this machine.
fn age(folder: &Path, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let path = folder.join("input");
    std::fs::write(&path, input).unwrap();
    let output = Command::new("age").args(arguments).arg(&path).output().ok()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "age {arguments:?}: {told}");
    Some(output.stdout)
}

#[test]
fn gitops_18_files_of_the_real_age_are_decrypted_at_every_size_of_chunk() {
    const CHUNK: usize = 64 << 10;
    let folder = tempfile::tempdir().unwrap();
    let age = |arguments: &[&str], input: &[u8]| age(folder.path(), arguments, input);
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
    let path = folder.path().join("key");
    std::fs::write(&path, identity(&secret(1))).unwrap();
    let file = age(&["-r", &ours], b"back").unwrap();
    let plain = age(&["-d", "-i", path.to_str().unwrap()], &file).unwrap();
    assert_eq!(plain, b"back");
}
