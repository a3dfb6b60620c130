//! RSA keys as OpenSSH keeps them: without the two exponents that `ring` wants, which are the
//! private exponent modulo each prime less one.

use super::{KeyError, refused_rsa};
use ring::signature::{RsaKeyPair, RsaPublicKeyComponents};
use zeroize::Zeroizing;

/// The integers of a file, big-endian.
pub(super) struct Parts<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) q_inverse: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
}

/// Longer integers are in no key that is accepted, in bytes (4096 bits).
const INTEGER_BYTES_MAX: usize = 512;

pub(super) fn pair(parts: &Parts<'_>) -> Result<RsaKeyPair, KeyError> {
    let Parts { n, e, d, q_inverse, p, q } = *parts;
    if [n, e, d, q_inverse, p, q].iter().any(|part| part.len() > INTEGER_BYTES_MAX) {
        return Err(refused_rsa("TooLarge"));
    }
    let exponent = |prime| remainder_less_one(d, prime);
    let (d_p, d_q) = (exponent(p), exponent(q));
    let components = ring::rsa::KeyPairComponents {
        public_key: RsaPublicKeyComponents { n, e },
        d,
        p,
        q,
        dP: &d_p,
        dQ: &d_q,
        qInv: q_inverse,
    };
    RsaKeyPair::from_components(&components).map_err(|why| refused_rsa(&why.to_string()))
}

/// `value` modulo `prime - 1`, without leading zeros: bit by bit, which is fast enough for a key
/// that is read once. `prime` is odd, or the key is refused later.
fn remainder_less_one(value: &[u8], prime: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut modulus = limbs(prime);
    if let Some(lowest) = modulus.first_mut() {
        *lowest &= !1;
    }
    // One limb more, for the bit that is shifted out.
    modulus.push(0);
    let mut rest = Zeroizing::new(vec![0_u32; modulus.len()]);
    if modulus.iter().all(|limb| *limb == 0) {
        return Zeroizing::new(Vec::new());
    }
    for byte in value {
        for bit in (0..8).rev() {
            shift_in(&mut rest, (byte >> bit) & 1);
            if is_at_least(&rest, &modulus) {
                subtract(&mut rest, &modulus);
            }
        }
    }
    let bytes: Zeroizing<Vec<u8>> =
        Zeroizing::new(rest.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect());
    Zeroizing::new(crate::wire::without_zeros(&bytes).to_vec())
}

/// Limbs of 32 bits, the lowest first.
fn limbs(bytes: &[u8]) -> Zeroizing<Vec<u32>> {
    let limb = |chunk: &[u8]| chunk.iter().fold(0_u32, |limb, byte| limb << 8 | u32::from(*byte));
    Zeroizing::new(bytes.rchunks(4).map(limb).collect())
}

fn shift_in(limbs: &mut [u32], bit: u8) {
    let mut carry = u32::from(bit);
    for limb in limbs {
        let out = *limb >> 31;
        *limb = *limb << 1 | carry;
        carry = out;
    }
}

fn is_at_least(left: &[u32], right: &[u32]) -> bool {
    left.iter().rev().ge(right.iter().rev())
}

fn subtract(left: &mut [u32], right: &[u32]) {
    let mut borrow = false;
    for (limb, other) in left.iter_mut().zip(right) {
        let (once, first) = limb.overflowing_sub(*other);
        let (twice, second) = once.overflowing_sub(u32::from(borrow));
        *limb = twice;
        borrow = first || second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn remainders_are_those_of_integers(value: u128, prime in 3_u128..) {
            let prime = prime | 1;
            let found = remainder_less_one(&value.to_be_bytes(), &prime.to_be_bytes());
            let expected = (value % (prime - 1)).to_be_bytes();
            prop_assert_eq!(found.as_slice(), crate::wire::without_zeros(&expected));
        }
    }

    #[test]
    fn a_prime_of_one_or_nothing_gives_nothing() {
        assert!(remainder_less_one(&[9], &[1]).is_empty());
        assert!(remainder_less_one(&[9], &[]).is_empty());
        assert!(remainder_less_one(&[], &[7]).is_empty());
    }
}
