use super::*;

const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
const PEOPLE: &str =
    "author A <a@example.com> 1700000000 +0000\ncommitter B <b@example.com> 1700000001 +0100\n";
const SSH: &str = "-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n";

fn commit(text: &str) -> Result<Option<Signed>, Fault> {
    split(text.as_bytes(), ObjectKind::Commit)
}

#[test]
fn a_commit_is_signed_without_its_signature() {
    let signed = commit(&format!("{TREE}{PEOPLE}gpgsig {SSH}encoding x\n\nmessage\n"));
    let signed = signed.unwrap().unwrap();
    assert_eq!(signed.payload, format!("{TREE}{PEOPLE}encoding x\n\nmessage\n").as_bytes());
    assert_eq!(signed.signature, SSH.replace("\n ", "\n").as_bytes());
    assert_eq!((signed.committer.as_str(), signed.made_at), ("b@example.com", 1_700_000_001));
    assert_eq!(commit(&format!("{TREE}{PEOPLE}\nmessage\n")), Ok(None));
}

#[test]
fn a_signature_in_the_message_is_none() {
    assert_eq!(commit(&format!("{TREE}{PEOPLE}\ngpgsig {SSH}")), Ok(None));
}

#[test]
fn the_signature_is_that_of_the_repositorys_own_hash() {
    let both = format!("{PEOPLE}gpgsig {SSH}gpgsig-sha256 {}\nm\n", SSH.replace("AAAA", "BBBB"));
    let signed = commit(&format!("{TREE}{both}")).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&signed.signature).contains("AAAA"));
    assert_eq!(signed.payload, format!("{TREE}{PEOPLE}\nm\n").as_bytes());
    let long = format!("tree {}\n", "a".repeat(SHA256_DIGITS));
    let signed = commit(&format!("{long}{both}")).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&signed.signature).contains("BBBB"));
    // The signature of the other hash alone says nothing of this object.
    assert_eq!(commit(&format!("{TREE}{PEOPLE}gpgsig-sha256 {SSH}\nm\n")), Ok(None));
}

#[test]
fn gitops_16_objects_that_show_something_else_than_was_signed_are_refused() {
    for (text, why) in [
        (format!("{TREE}{PEOPLE}gpgsig {SSH}gpgsig {SSH}\nm\n"), "given twice"),
        (format!("{TREE}{PEOPLE}gpgsig {SSH}gpgsig-other x\n\nm\n"), "not one of Git's"),
        (format!("{TREE}{PEOPLE}{PEOPLE}gpgsig {SSH}\nm\n"), "exactly one committer"),
        (format!("{TREE}gpgsig {SSH}\nm\n"), "exactly one committer"),
        (format!("{PEOPLE}{TREE}gpgsig {SSH}\nm\n"), "begin with a tree"),
        (format!("{TREE}committer B b@example.com 1 +0000\ngpgsig {SSH}\nm\n"), "cannot be read"),
        (format!("{TREE}committer B <b@example.com> x +0000\ngpgsig {SSH}\nm\n"), "cannot be read"),
    ] {
        match commit(&text) {
            Err(Fault::Bad(reason)) => assert!(reason.contains(why), "{reason}: {text}"),
            other => panic!("{other:?}: {text}"),
        }
    }
}

#[test]
fn a_tag_is_signed_up_to_its_signature() {
    let head = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\n\
                tagger T <t@example.com> 1700000000 +0000\n";
    let block = SSH.replace("\n ", "\n");
    let tag = |text: &str| split(text.as_bytes(), ObjectKind::Tag);
    let signed = tag(&format!("{head}\nmessage\n{block}")).unwrap().unwrap();
    assert_eq!(signed.payload, format!("{head}\nmessage\n").as_bytes());
    assert_eq!(signed.signature, block.as_bytes());
    assert_eq!(signed.committer, "t@example.com");
    assert_eq!(tag(&format!("{head}\nmessage\n")), Ok(None));
    assert!(tag(&format!("{head}\nmessage\n{block}{block}")).is_err());
    let with_other_hash = format!("{head}gpgsig-sha256 {SSH}\nmessage\n{block}");
    assert_eq!(tag(&with_other_hash).unwrap().unwrap().payload, signed.payload);
}

#[test]
fn gitops_16_the_bounds_of_objects_and_signatures_are_exact() {
    let with = |lines: usize, message: usize| {
        let signature = format!("-----BEGIN SSH SIGNATURE-----\n{}", " A\n".repeat(lines));
        commit(&format!("{TREE}{PEOPLE}gpgsig {signature}\n{}", "m".repeat(message)))
    };
    // The first line has 30 bytes, each further one two.
    let most = (SIGNATURE_BYTES_MAX - 30) / 2;
    assert!(with(most, 0).is_ok());
    assert!(with(most + 1, 0).is_err());
    let rest = format!("{TREE}{PEOPLE}gpgsig -----BEGIN SSH SIGNATURE-----\n\n").len();
    assert!(with(0, OBJECT_BYTES_MAX - rest).is_ok());
    assert!(with(0, OBJECT_BYTES_MAX - rest + 1).is_err());
}
