//! RSA-2048 with RSAES-OAEP and SHA-256.

use super::MODULUS_LEN;
use crate::encrypt::Key;
use aws_lc_rs::rsa::{KeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use zeroize::Zeroizing;

/// The private key, and modulus and exponent of the public key.
pub(super) struct Rsa {
    private: OaepPrivateDecryptingKey,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Rsa {
    pub(super) fn from_pkcs8(document: &[u8]) -> Option<Self> {
        let pair = KeyPair::from_pkcs8(document).ok().filter(|pair| pair.public_modulus_len() == MODULUS_LEN)?;
        let public = pair.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
        let exponent = public.exponent().big_endian_without_leading_zero().to_vec();
        let private = PrivateDecryptingKey::from_pkcs8(document).ok()?;
        Some(Self { private: OaepPrivateDecryptingKey::new(private).ok()?, modulus, exponent })
    }

    /// Modulus and exponent, big-endian, without leading zeros.
    pub(super) fn public(&self) -> [&[u8]; 2] {
        [&self.modulus, &self.exponent]
    }

    pub(super) fn unwrap_key(&self, wrapped: &[u8], label: &[u8]) -> Option<Key> {
        let mut buffer = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let label = Some(label).filter(|label| !label.is_empty());
        let key = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut buffer, label).ok()?;
        Key::new(key)
    }
}
