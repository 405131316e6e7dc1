//! AES-256-GCM under a subkey of a key and a salt (HKDF with SHA-256).

use super::TAG;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use secret_memory::SecretBox;

const HKDF_INFO: &[u8] = b"ferric sealed block 1";

/// A subkey, in protected memory.
pub(super) struct Subkey(SecretBox<LessSafeKey>);

impl Subkey {
    /// The subkey of a key for one salt; `None` without protected memory.
    pub(super) fn derive(key: &[u8], salt: &[u8]) -> Option<Self> {
        let prk = Salt::new(HKDF_SHA256, salt).extract(key);
        let unbound = UnboundKey::from(prk.expand(&[HKDF_INFO], &AES_256_GCM).ok()?);
        SecretBox::new(LessSafeKey::new(unbound)).map(Self)
    }

    /// Encrypts the text in place; returns the tag. A counter is used once.
    pub(super) fn encrypt(&self, counter: u64, authenticated: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
        let tag = self.0.seal_in_place_separate_tag(nonce(counter), Aad::from(authenticated), text).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts text and tag in place; returns the text, or `None` if the tag does not match.
    pub(super) fn decrypt<'a>(&self, counter: u64, authenticated: &[u8], text: &'a mut [u8]) -> Option<&'a [u8]> {
        self.0.open_in_place(nonce(counter), Aad::from(authenticated), text).ok().map(|text| &*text)
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(low) = bytes.last_chunk_mut() {
        *low = counter.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}
