//! Encryption of segments: one data key for each cartridge, which the object `key` of the cartridge has in wrapped form.
//!
//! Names, lengths and the numbers of bytes are not encrypted: manifests and index pages are in clear.

use crate::Shelf;
use crate::copy::CopyError;
use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::Content;
use crate::objects::Creation;
use crate::{record, segment};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use bytes::Bytes;
use secret_memory::SecretBox;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Length of a key in bytes.
pub const KEY_LEN: usize = 32;
/// Bytes of an encrypted chunk in addition to its content.
pub(crate) const TAG_LEN: usize = 16;
const SEGMENT_INFO: &[u8] = b"ferric shelf segment 1";
const WRAPPING_INFO: &[u8] = b"ferric shelf key wrapping 1";
const ID_INFO: &str = "ferric shelf 1 identifier of a wrapping key";

/// The error of a key.
fn error(barcode: &str, problem: impl Into<String>) -> ShelfError {
    ShelfError::Key { barcode: barcode.to_owned(), problem: problem.into() }
}

/// A key that wraps the data keys of cartridges, in protected memory.
pub struct WrappingKey {
    id: String,
    key: SecretBox<LessSafeKey>,
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl WrappingKey {
    /// The key with these 32 bytes; `None` without protected memory.
    #[must_use]
    pub fn new(key: &[u8; KEY_LEN]) -> Option<Self> {
        let id = blake3::Hasher::new_derive_key(ID_INFO).update(key).finalize().to_hex().chars().take(16).collect();
        let prk = Salt::new(HKDF_SHA256, &[]).extract(key);
        let key = UnboundKey::from(prk.expand(&[WRAPPING_INFO], &AES_256_GCM).ok()?);
        Some(Self { id, key: SecretBox::new(LessSafeKey::new(key))? })
    }

    /// The key in a text of 64 hexadecimal digits, with white space around it; `None` for another text, or without protected
    /// memory.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 2 * KEY_LEN || !text.is_ascii() {
            return None;
        }
        let mut key = SecretBox::new([0; KEY_LEN])?;
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Self::new(&key)
    }

    /// Identifier of the key: 16 hexadecimal digits of a hash.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The keys of a shelf that is encrypted.
#[derive(Debug)]
pub struct KeyRing {
    current: WrappingKey,
    former: Vec<WrappingKey>,
}

impl KeyRing {
    /// The key that wraps new data keys, and former ones whose cartridges can be read.
    #[must_use]
    pub const fn new(current: WrappingKey, former: Vec<WrappingKey>) -> Self {
        Self { current, former }
    }

    fn key(&self, id: &str) -> Option<&WrappingKey> {
        std::iter::once(&self.current).chain(&self.former).find(|key| key.id == id)
    }
}

/// The object with the wrapped data key of a cartridge.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredKey {
    /// Identifier of the wrapping key.
    wrapped_by: String,
    /// Nonce and wrapped key, in hexadecimal digits.
    nonce: String,
    key: String,
}

/// The data key of a cartridge.
pub(crate) struct DataKey(SecretBox<Prk>);

impl DataKey {
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        SecretBox::new(Salt::new(HKDF_SHA256, &[]).extract(key)).map(Self)
    }

    /// The key of the segment with this name. No other segment has it, because the name has a random part.
    pub(crate) fn of_segment(&self, name: &str) -> Option<SegmentKey> {
        let info = [SEGMENT_INFO, name.as_bytes()];
        let key = UnboundKey::from(self.0.expand(&info, &AES_256_GCM).ok()?);
        SecretBox::new(LessSafeKey::new(key)).map(SegmentKey)
    }
}

/// The key of one segment.
pub(crate) struct SegmentKey(SecretBox<LessSafeKey>);

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(low) = bytes.last_chunk_mut() {
        *low = number.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

impl SegmentKey {
    /// Encrypts the chunk with this number, and appends the tag. Each number is used once.
    pub(crate) fn encrypt(&self, number: u64, chunk: &mut Vec<u8>) -> Option<()> {
        self.0.seal_in_place_append_tag(nonce(number), Aad::empty(), chunk).ok()
    }

    /// Decrypts a chunk and its tag; `None` if it was encrypted with another key.
    pub(crate) fn decrypt<'a>(&self, number: u64, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
        self.0.open_in_place(nonce(number), Aad::empty(), chunk).ok().map(|content| &*content)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// The wrapping keys of a shelf, and the data keys that were used.
#[derive(Default)]
pub(crate) struct DataKeys {
    ring: Option<KeyRing>,
    known: Mutex<BTreeMap<String, Arc<DataKey>>>,
}

impl DataKeys {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self { ring: Some(ring), known: Mutex::default() }
    }

    fn known(&self, barcode: &str) -> Option<Arc<DataKey>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(barcode).cloned()
    }

    fn remember(&self, barcode: &str, key: &Arc<DataKey>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(barcode.to_owned(), Arc::clone(key));
    }

    /// Forgets the key of a cartridge: another program may have destroyed it since.
    pub(crate) fn forget(&self, barcode: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(barcode);
    }
}

impl StoredKey {
    fn wrap(barcode: &str, by: &WrappingKey, key: &[u8], random: [u8; NONCE_LEN]) -> Option<Self> {
        let mut wrapped = key.to_vec();
        let aad = Aad::from(barcode.as_bytes());
        by.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(random), aad, &mut wrapped).ok()?;
        Some(Self { wrapped_by: by.id.clone(), nonce: hex(&random), key: hex(&wrapped) })
    }

    /// The data key. `Err` has the reason in words.
    fn unwrap(&self, barcode: &str, ring: Option<&KeyRing>) -> Result<SecretBox<[u8; KEY_LEN]>, String> {
        let missing = || format!("it is encrypted, and the key {} of the shelf is not configured", self.wrapped_by);
        let by = ring.and_then(|ring| ring.key(&self.wrapped_by)).ok_or_else(missing)?;
        let damaged = || "the object with its wrapped key is damaged: restore it from a copy of the store".to_owned();
        let nonce: [u8; NONCE_LEN] = unhex(&self.nonce).and_then(|nonce| nonce.try_into().ok()).ok_or_else(damaged)?;
        let mut wrapped = unhex(&self.key).ok_or_else(damaged)?;
        let aad = Aad::from(barcode.as_bytes());
        let key =
            by.key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut wrapped).map_err(|_| damaged())?;
        let key: [u8; KEY_LEN] = (&*key).try_into().map_err(|_| damaged())?;
        SecretBox::new(key).ok_or_else(|| "there is no protected memory for its key".to_owned())
    }
}

impl Shelf {
    /// The same shelf, whose new segments are encrypted.
    #[must_use]
    pub fn with_keys(self, ring: KeyRing) -> Self {
        Self { data_keys: Arc::new(DataKeys::new(ring)), ..self }
    }

    /// Whether new segments are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.data_keys.ring.is_some()
    }

    fn random<const LEN: usize>(&self) -> Result<[u8; LEN], ShelfError> {
        let mut bytes = [0; LEN];
        (self.entropy)(&mut bytes).map_err(ShelfError::Random)?;
        Ok(bytes)
    }

    fn unwrapped(&self, barcode: &str, object: &Bytes) -> Result<Arc<DataKey>, ShelfError> {
        let stored: StoredKey = record::decode(&CartridgeKeys::new(barcode).key(), object)?;
        let key = stored.unwrap(barcode, self.data_keys.ring.as_ref()).map_err(|problem| error(barcode, problem))?;
        let key = DataKey::new(&*key).ok_or_else(|| error(barcode, "there is no protected memory for its key"))?;
        let key = Arc::new(key);
        self.data_keys.remember(barcode, &key);
        Ok(key)
    }

    /// The data key of a cartridge, whose segments are encrypted.
    pub(crate) async fn data_key(&self, barcode: &str) -> Result<Arc<DataKey>, ShelfError> {
        if let Some(known) = self.data_keys.known(barcode) {
            return Ok(known);
        }
        let object = self.objects().get(&CartridgeKeys::new(barcode).key()).await?;
        let object = object.ok_or_else(|| error(barcode, "its key was destroyed: its data can no longer be read"))?;
        self.unwrapped(barcode, &object)
    }

    /// Refuses to write in clear to a cartridge that has a key.
    pub(crate) async fn check_keys(&self, barcode: &str) -> Result<(), ShelfError> {
        let has_key = self.objects().get(&CartridgeKeys::new(barcode).key()).await?.is_some();
        if has_key && !self.is_encrypted() {
            return Err(error(barcode, "it is encrypted: give the key of the shelf"));
        }
        Ok(())
    }

    /// Copies the data key of a cartridge with this content to another shelf, wrapped with its current key. Without keys, the
    /// wrapped key is copied as it is. `replace` allows to replace a key that no state of the cartridge there needs.
    pub(crate) async fn copy_key(
        &self,
        barcode: &str,
        content: &Content,
        to: &Self,
        replace: bool,
    ) -> Result<(), CopyError> {
        let name = CartridgeKeys::new(barcode).key();
        let refused = |problem: &str| Err(CopyError::Source(error(barcode, problem)));
        let (mut encrypted, mut clear) = (false, false);
        for segment in content.segments().into_keys() {
            if segment::is_encrypted(&segment) { encrypted = true } else { clear = true }
        }
        if clear && to.is_encrypted() {
            return refused(
                "its data is not encrypted, but the target shelf is: recall the cartridge, and archive it there",
            );
        }
        let source = self.objects().get(&name).await.map_err(CopyError::Source)?;
        let target = if replace { None } else { to.objects().get(&name).await? };
        let source = match (source, &target) {
            (Some(source), _) => source,
            (None, _) if encrypted => return refused("its key was destroyed: its data can no longer be read"),
            (None, Some(_)) => return refused("it is not encrypted, but it has a key on the target shelf"),
            (None, None) => return Ok(()),
        };
        let wrapped = self.rewrapped_for(to, barcode, &source)?;
        to.data_keys.forget(barcode);
        if replace {
            return Ok(to.objects().replace(&name, wrapped).await?);
        }
        let there = match target {
            Some(there) => there,
            None => match to.objects().create(&name, wrapped).await? {
                Creation::Created => return Ok(()),
                Creation::Exists(there) => there,
            },
        };
        if there == source || self.has_same_key(to, barcode, &source, &there)? {
            return Ok(());
        }
        refused("it has another data key on the target shelf")
    }

    /// The object with a data key for another shelf: `source`, or the same key wrapped with the current key of that shelf.
    fn rewrapped_for(&self, to: &Self, barcode: &str, source: &Bytes) -> Result<Bytes, CopyError> {
        let name = CartridgeKeys::new(barcode).key();
        let stored: StoredKey = record::decode(&name, source).map_err(CopyError::Source)?;
        let ring = match (&self.data_keys.ring, &to.data_keys.ring) {
            (None, None) => return Ok(source.clone()),
            (Some(_), None) => {
                return Err(CopyError::Target(error(barcode, "it is encrypted, and the shelf has no key")));
            }
            (_, Some(ring)) if ring.current.id == stored.wrapped_by => return Ok(source.clone()),
            (_, Some(ring)) => ring,
        };
        let of_source = self.data_keys.ring.as_ref().filter(|own| own.key(&stored.wrapped_by).is_some());
        let key = stored.unwrap(barcode, Some(of_source.unwrap_or(ring)));
        let key = key.map_err(|problem| CopyError::Source(error(barcode, problem)))?;
        let random = to.random()?;
        let wrapped = StoredKey::wrap(barcode, &ring.current, &*key, random);
        let wrapped = wrapped.ok_or_else(|| error(barcode, "its key cannot be wrapped"))?;
        Ok(record::encode(&name, &wrapped)?)
    }

    /// Whether two objects have the same data key, as far as the keys of both shelves show it.
    fn has_same_key(&self, to: &Self, barcode: &str, source: &Bytes, there: &Bytes) -> Result<bool, CopyError> {
        let name = CartridgeKeys::new(barcode).key();
        let unwrap = |object: &Bytes, rings: [&Self; 2]| {
            let stored: StoredKey = record::decode(&name, object)?;
            let rings = rings.map(|shelf| shelf.data_keys.ring.as_ref());
            let has_key = |ring: &&KeyRing| ring.key(&stored.wrapped_by).is_some();
            let ring = rings.into_iter().flatten().find(has_key);
            stored.unwrap(barcode, ring).map_err(|problem| error(barcode, problem))
        };
        let source = unwrap(source, [self, to]).map_err(CopyError::Source)?;
        let there = unwrap(there, [to, self]).map_err(CopyError::Target)?;
        Ok(*source == *there)
    }

    /// The data key for new segments; `None` if they are not encrypted. A cartridge that has no key gets one.
    pub(crate) async fn data_key_for_writing(&self, barcode: &str) -> Result<Option<Arc<DataKey>>, ShelfError> {
        let Some(ring) = &self.data_keys.ring else { return Ok(None) };
        if let Some(known) = self.data_keys.known(barcode) {
            return Ok(Some(known));
        }
        let object = CartridgeKeys::new(barcode).key();
        let key = SecretBox::new(self.random::<KEY_LEN>()?);
        let key = key.ok_or_else(|| error(barcode, "there is no protected memory for its key"))?;
        let stored = StoredKey::wrap(barcode, &ring.current, &*key, self.random()?);
        let stored = stored.ok_or_else(|| error(barcode, "its key cannot be wrapped"))?;
        let bytes = record::encode(&object, &stored)?;
        match self.objects().create(&object, bytes.clone()).await? {
            Creation::Created => self.unwrapped(barcode, &bytes),
            Creation::Exists(other) => self.unwrapped(barcode, &other),
        }
        .map(Some)
    }
}

impl crate::OwnedCartridge {
    /// Wraps the data key of the cartridge with the current key of the shelf. Returns whether it was wrapped with a former one.
    ///
    /// # Errors
    /// [`ShelfError::Key`] if the shelf has no key, or not the one that wraps the data key; [`ShelfError::Store`].
    pub async fn rewrap_key(&mut self) -> Result<bool, ShelfError> {
        let (shelf, name) = (self.shelf().clone(), self.keys().key());
        let barcode = self.keys().barcode();
        let ring = shelf.data_keys.ring.as_ref().ok_or_else(|| error(barcode, "the shelf has no key"))?;
        let Some(object) = shelf.objects().get(&name).await? else { return Ok(false) };
        let stored: StoredKey = record::decode(&name, &object)?;
        if stored.wrapped_by == ring.current.id {
            // The lock of the new version may have failed.
            self.lock_as_recorded(vec![name]).await?;
            return Ok(false);
        }
        let key = stored.unwrap(barcode, Some(ring)).map_err(|problem| error(barcode, problem))?;
        let stored = StoredKey::wrap(barcode, &ring.current, &*key, shelf.random()?);
        let stored = stored.ok_or_else(|| error(barcode, "its key cannot be wrapped"))?;
        shelf.objects().replace(&name, record::encode(&name, &stored)?).await?;
        // The new version of the object is as locked as the former one.
        self.lock_as_recorded(vec![name]).await?;
        Ok(true)
    }

    /// Removes the data key of the cartridge: its encrypted segments can no longer be read, not even from a copy of the store
    /// without the key. Returns whether it had a key.
    ///
    /// # Errors
    /// [`ShelfError::Protected`] if the cartridge is retained by the clock of the store, or under a legal hold;
    /// [`ShelfError::Denied`] if the store denies it; [`ShelfError::Store`] if it fails.
    pub async fn destroy_key(&mut self) -> Result<bool, ShelfError> {
        self.check_unprotected().await?;
        let (shelf, name) = (self.shelf(), self.keys().key());
        shelf.data_keys.forget(self.keys().barcode());
        let existed = shelf.objects().get(&name).await?.is_some();
        shelf.objects().remove(&name).await?;
        Ok(existed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_64_hexadecimal_digits() {
        let digits = "00112233445566778899aabbccddeeff".repeat(2);
        let key = WrappingKey::parse(&format!(" {digits}\n")).unwrap();
        assert_eq!((key.id().len(), WrappingKey::parse(&digits.to_uppercase()).unwrap().id()), (16, key.id()));
        assert!(!format!("{key:?}").contains("0011"));
        for other in ["", "00", &digits[1..], &format!("{digits}0"), &digits.replace('f', "g"), &"é".repeat(32)] {
            assert!(WrappingKey::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_wrapped_key_belongs_to_its_cartridge_and_its_wrapping_key() {
        let ring = |byte: u8| KeyRing::new(WrappingKey::new(&[byte; KEY_LEN]).unwrap(), Vec::new());
        let stored = StoredKey::wrap("A", &ring(1).current, &[7; KEY_LEN], [3; NONCE_LEN]).unwrap();
        assert_eq!(*stored.unwrap("A", Some(&ring(1))).unwrap(), [7; KEY_LEN]);
        let problem = |barcode: &str, ring: Option<&KeyRing>| stored.unwrap(barcode, ring).unwrap_err();
        assert_eq!(
            problem("B", Some(&ring(1))),
            "the object with its wrapped key is damaged: restore it from a copy of the store"
        );
        let missing = format!("it is encrypted, and the key {} of the shelf is not configured", ring(1).current.id());
        assert_eq!([problem("A", Some(&ring(2))), problem("A", None)], [missing.clone(), missing]);
        let damaged = StoredKey { key: stored.key.replacen(&stored.key[..1], "g", 1), ..stored };
        assert_eq!(
            damaged.unwrap("A", Some(&ring(1))).unwrap_err(),
            "the object with its wrapped key is damaged: restore it from a copy of the store"
        );
    }
}
