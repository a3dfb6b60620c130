use super::*;
use crate::Trust;

/// A version 4 signature with these subpackets, for parsing only.
fn signature(hash: u8, hashed: &[u8]) -> Result<Signature, Fault> {
    let mut body = vec![4, 0, 22, hash, 0, u8::try_from(hashed.len()).unwrap()];
    body.extend(hashed);
    body.extend([0, 0, 0, 0]);
    Signature::read(&body)
}

const CREATED: [u8; 6] = [5, 2, 0, 0, 0, 9];

fn refused(hash: u8, hashed: &[u8]) -> String {
    let key = Key::read(&[&[4, 0, 0, 0, 1, 27][..], &[7; 32]].concat()).unwrap();
    match signature(hash, hashed).and_then(|sig| sig.holds(&key, &[])) {
        Err(fault) => fault.text().to_owned(),
        Ok(holds) => panic!("{holds}"),
    }
}

#[test]
fn gitops_16_weak_hashes_and_unknown_critical_subpackets_are_refused_by_name() {
    assert!(refused(2, &CREATED).contains("SHA-1"));
    assert!(refused(1, &CREATED).contains("MD5"));
    assert!(refused(11, &CREATED).contains("SHA-224"));
    assert!(refused(8, &[&CREATED[..], &[2, 0x80 | 20, 0]].concat()).contains("subpacket 20"));
    assert!(refused(8, &[&CREATED[..], &[1, 0x80 | 99]].concat()).contains("subpacket 99"));
    assert!(refused(8, &[]).contains("no creation time"));
    // The same, not critical, goes on to the value, which is of another algorithm.
    assert!(refused(8, &[&CREATED[..], &[1, 99]].concat()).contains("another algorithm"));
}

#[test]
fn gitops_16_other_versions_are_refused_by_name() {
    for version in [2, 3, 5, 6] {
        let fault = Signature::read(&[version, 0]).unwrap_err();
        assert!(fault.text().contains(&format!("version {version}")), "{fault:?}");
        let fault = Key::read(&[version, 0]).unwrap_err();
        assert!(fault.text().contains(&format!("version {version}")), "{fault:?}");
    }
}

#[test]
fn a_signature_with_two_creation_times_or_too_many_subpackets_is_not_well_formed() {
    assert!(signature(8, &CREATED).is_ok());
    assert!(signature(8, &[CREATED, CREATED].concat()).is_err());
    let with = |count: usize| {
        let area = [1, 99].repeat(count);
        let length = u16::try_from(area.len()).unwrap().to_be_bytes();
        let body = [&[4, 0, 22, 8][..], &length, &area, &[0, 0, 0, 0]].concat();
        Signature::read(&body)
    };
    assert!(with(signature::SUBPACKETS_MAX).is_ok());
    assert!(with(signature::SUBPACKETS_MAX + 1).is_err());
}

#[test]
fn a_key_with_too_many_parts_is_left_out() {
    let key = [&[0xc6, 38, 4, 0, 0, 0, 1, 27][..], &[7; 32]].concat();
    let ring = |users: usize| [key.clone(), [0xcd, 1, b'a'].repeat(users)].concat();
    let mut trust = Trust::new();
    let told = trust.add_key_ring("ring", &ring(certificate::COMPONENTS_MAX));
    assert!(trust.counts().1 == 1 && told[0].message.contains("no user id is bound"), "{told:?}");
    let mut trust = Trust::new();
    let told = trust.add_key_ring("ring", &ring(certificate::COMPONENTS_MAX + 1));
    assert!(trust.counts().1 == 0 && told[0].message.contains("more than 500"), "{told:?}");
}

#[test]
fn more_self_signatures_than_the_bound_leave_the_key_out() {
    let body = [&[4, 0, 0, 0, 1, 27][..], &[7; 32]].concat();
    let own = Key::read(&body).unwrap();
    let issuer = [&[22, 33, 4][..], &own.fingerprint].concat();
    let hashed = [&CREATED[..], &issuer].concat();
    let length = u8::try_from(hashed.len()).unwrap();
    let mut signature = vec![4, 0x13, 27, 8, 0, length];
    signature.extend(&hashed);
    signature.extend([0, 0, 0, 0]);
    signature.extend([0; 64]);
    let packet = [&[0xc2, u8::try_from(signature.len()).unwrap()][..], &signature].concat();
    let head = [&[0xc6, 38][..], &body, &[0xcd, 1, b'a']].concat();
    let ring = |count: usize| [head.clone(), packet.repeat(count)].concat();
    let mut trust = Trust::new();
    trust.add_key_ring("ring", &ring(certificate::SELF_SIGNATURES_MAX));
    assert_eq!(trust.counts().1, 1);
    let mut trust = Trust::new();
    let told = trust.add_key_ring("ring", &ring(certificate::SELF_SIGNATURES_MAX + 1));
    assert_eq!(trust.counts().1, 0);
    assert!(told.last().unwrap().message.contains("more than 100 self-signatures"));
}

#[test]
fn a_user_id_holds_its_address_and_nothing_near_it() {
    let certificate = |id: &str| {
        let ring = [
            &[0xc6, 38, 4, 0, 0, 0, 1, 27][..],
            &[7; 32],
            &[0xcd, u8::try_from(id.len()).unwrap()],
            id.as_bytes(),
        ];
        let (mut certificates, _) = certificate::read(&ring.concat()).unwrap();
        certificates.pop().unwrap()
    };
    for (id, address, expected) in [
        ("Ann (x) <ann@example.com>", "Ann@Example.com", true),
        ("ann@example.com", "ann@example.com", true),
        ("Ann <ann@example.com>", "nn@example.com", false),
        ("a@b <ann@example.com>", "a@b", false),
        ("Ann", "Ann", false),
        ("", "", false),
    ] {
        assert_eq!(certificate(id).users[0].has_address(address), expected, "{id}");
    }
}
