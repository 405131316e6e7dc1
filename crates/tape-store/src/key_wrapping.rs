//! A key pair under which hosts wrap data keys, so that none is seen on its way (SSC-5 §8.5.3.2.4): RSA-2048, RSAES-OAEP with
//! SHA-256. It lives in memory only.

use crate::encrypt::Key;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of modulus, exponent and what was wrapped.
pub const MODULUS_LEN: usize = 256;

/// The pair.
pub struct KeyWrappingPair {
    private: OaepPrivateDecryptingKey,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl KeyWrappingPair {
    /// A new pair; `None` if the system gives no random bytes.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let public = pair.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
        let exponent = public.exponent().big_endian_without_leading_zero().to_vec();
        let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        let private = PrivateDecryptingKey::from_pkcs8(der.as_ref()).ok()?;
        Some(Self { private: OaepPrivateDecryptingKey::new(private).ok()?, modulus, exponent })
    }

    /// Modulus and exponent, big-endian, each padded to [`SIZE`].
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        let padded = |number: &[u8]| [&vec![0; MODULUS_LEN - number.len().min(MODULUS_LEN)], number].concat();
        [padded(&self.modulus), padded(&self.exponent)].concat()
    }

    /// The key that was wrapped with this label; `None` if it was not wrapped for this pair.
    #[must_use]
    pub fn unwrap_key(&self, wrapped: &[u8], label: &[u8]) -> Option<Key> {
        let mut room = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let label = Some(label).filter(|label| !label.is_empty());
        let key = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, label).ok()?;
        Key::new(key)
    }
}

impl fmt::Debug for KeyWrappingPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapping(RSA-2048)")
    }
}

/// Wraps a key for a pair of which this is the public part, as a host does.
///
/// # Panics
/// If it is no public part.
#[cfg(any(test, feature = "testing"))]
#[must_use]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "for tests")]
pub fn wrap_key(public: &[u8], key: &[u8], label: &[u8]) -> Vec<u8> {
    use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
    // SubjectPublicKeyInfo of an RSA key of 2048 bits with the exponent 65537.
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

    #[test]
    fn key_unwraps_only_with_its_pair_and_label() {
        let pair = KeyWrappingPair::generate().unwrap();
        assert_eq!(pair.public()[2 * MODULUS_LEN - 3..], [1, 0, 1]);
        let wrapped = wrap_key(&pair.public(), &[7; 32], b"label");
        assert!(pair.unwrap_key(&wrapped, b"label").unwrap().equals(&[7; 32]));
        assert!(pair.unwrap_key(&wrapped, b"other").is_none());
        assert!(pair.unwrap_key(&wrapped[1..], b"label").is_none());
        assert!(KeyWrappingPair::generate().unwrap().unwrap_key(&wrapped, b"label").is_none());
    }
}
