//! A key pair with which hosts wrap data encryption keys for transport (SSC-4 §8.5.3.2.4): RSA-2048, RSAES-OAEP with
//! SHA-256. It exists in memory only.

#[cfg_attr(not(feature = "encryption"), path = "key_wrapping/absent.rs")]
mod rsa;

use self::rsa::Rsa;
use crate::encrypt::Key;
use std::fmt;

/// Length in bytes of the modulus, of the padded exponent and of a wrapped key.
pub const MODULUS_LEN: usize = 256;

/// An RSA-2048 key pair for wrapped keys.
pub struct KeyWrappingPair(Rsa);

impl KeyWrappingPair {
    /// A key pair from its PKCS #8 document (RFC 5958, DER); `None` if that is not an RSA key pair of 2048 bits, or if
    /// this build lacks [`Feature::Encryption`](crate::feature::Feature::Encryption).
    #[must_use]
    pub fn from_pkcs8(document: &[u8]) -> Option<Self> {
        Rsa::from_pkcs8(document).map(Self)
    }

    /// The public key: modulus and exponent, big-endian, each padded to [`MODULUS_LEN`] bytes.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        let padded = |number: &[u8]| [&vec![0; MODULUS_LEN - number.len().min(MODULUS_LEN)], number].concat();
        self.0.public().map(padded).concat()
    }

    /// Unwraps a key that was wrapped with this label; `None` if it was wrapped for another key pair or label.
    #[must_use]
    pub fn unwrap_key(&self, wrapped: &[u8], label: &[u8]) -> Option<Key> {
        self.0.unwrap_key(wrapped, label)
    }
}

impl fmt::Debug for KeyWrappingPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyWrappingPair(RSA-2048)")
    }
}

/// Wraps a key for the holder of a public key from [`KeyWrappingPair::public`], as a host does.
///
/// # Panics
/// If the public key is malformed.
#[cfg(any(test, feature = "testing"))]
#[must_use]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "for tests")]
pub fn wrap_key(public: &[u8], key: &[u8], label: &[u8]) -> Vec<u8> {
    use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
    // SubjectPublicKeyInfo of a 2048-bit RSA key with exponent 65537.
    let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let digits = |at: usize| u8::from_str_radix(&head[at..at + 2], 16).unwrap();
    let mut der: Vec<u8> = (0..head.len()).step_by(2).map(digits).collect();
    der.extend_from_slice(&public[..MODULUS_LEN]);
    der.extend_from_slice(&[0x02, 0x03, 0x01, 0x00, 0x01]);
    let key_of = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&der).unwrap()).unwrap();
    let mut wrapped = vec![0; key_of.ciphertext_size()];
    key_of.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, Some(label)).unwrap().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::key_wrapping_pair as random_pair;

    #[test]
    fn key_unwraps_only_with_its_pair_and_label() {
        let pair = random_pair().unwrap();
        assert_eq!(pair.public()[2 * MODULUS_LEN - 3..], [1, 0, 1]);
        let wrapped = wrap_key(&pair.public(), &[7; 32], b"label");
        assert!(pair.unwrap_key(&wrapped, b"label").unwrap().equals(&[7; 32]));
        assert!(pair.unwrap_key(&wrapped, b"other").is_none());
        assert!(pair.unwrap_key(&wrapped[1..], b"label").is_none());
        assert!(random_pair().unwrap().unwrap_key(&wrapped, b"label").is_none());
    }
}
