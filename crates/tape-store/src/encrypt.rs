//! Encryption of blocks: AES-256-GCM with a key from the caller. The key is never stored on the cartridge.
//!
//! Each append session draws a random salt of 32 bytes, derives a subkey from it, and counts nonces under the subkey.
//! So no nonce is used twice under one key: not for a block that is overwritten, not after a crash, not on a folder
//! restored from a copy. Partition, object number, length, codec and key-associated data are authenticated with the
//! block. The layout is in `docs/format.md`.

#[cfg_attr(not(feature = "encryption"), path = "encrypt/absent.rs")]
mod cipher;

use self::cipher::Subkey;
use crate::medium::{CodecId, MAX_BLOCK};
use secret_memory::SecretBox;
use std::fmt;
use std::io;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A source of random bytes: fills the slice. This crate contains none; the caller supplies one with the key.
pub type Entropy = fn(&mut [u8]) -> io::Result<()>;

/// Length of a salt in bytes.
pub const SALT_LEN: usize = 32;
/// Length of the authentication tag in bytes.
const TAG: usize = 16;
/// Salt, counter, and the lengths of three kinds of key-associated data.
const FIXED: usize = SALT_LEN + 8 + 4;
/// Value of the last byte of the fixed part: reading raw is disabled (RDMD).
const RAW_READ_DISABLED: u8 = 1;

/// An encryption key. It is excluded from core dumps, overwritten when dropped, compared in constant time, and redacted
/// in `Debug` output.
#[derive(Clone)]
pub struct Key {
    bytes: Arc<SecretBox<[u8; Self::MAX]>>,
    len: usize,
}

impl Key {
    /// Maximum length of a key in bytes.
    pub const MAX: usize = 32;

    /// A key of 1 to 32 bytes; `None` for other lengths or without protected memory. Only a key of 32 bytes encrypts.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut buffer = SecretBox::new([0; Self::MAX])?;
        buffer.get_mut(..bytes.len()).filter(|buffer| !buffer.is_empty())?.copy_from_slice(bytes);
        Some(Self { bytes: Arc::new(buffer), len: bytes.len() })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether the key has the 32 bytes that encryption requires.
    #[must_use]
    pub fn is_full_length(&self) -> bool {
        self.len == Self::MAX
    }

    /// Whether the key has these bytes; compared in constant time.
    #[must_use]
    pub fn equals(&self, bytes: &[u8]) -> bool {
        self.bytes().ct_eq(bytes).into()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other.bytes())
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.len)
    }
}

/// Key-associated data (KAD), each up to 255 bytes. It is stored in clear and authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyAssociatedData {
    /// U-KAD: unauthenticated key-associated data in SSC; here authenticated as well.
    pub unauthenticated: Vec<u8>,
    /// A-KAD: key-associated data that SSC calls authenticated.
    pub authenticated: Vec<u8>,
    /// M-KAD: metadata for the key, not interpreted by the drive.
    pub metadata: Vec<u8>,
}

impl KeyAssociatedData {
    const fn all(&self) -> [&Vec<u8>; 3] {
        [&self.unauthenticated, &self.authenticated, &self.metadata]
    }
}

/// The key and the other parameters with which the blocks of a tape are encrypted.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// The key, which must have 32 bytes.
    pub key: Key,
    /// Key-associated data to be stored with each block.
    pub kads: KeyAssociatedData,
    /// Whether reading the blocks raw is disabled (RDMD).
    pub raw_read_disabled: bool,
    /// Source of the salts of the blocks. If it fails, the block is not written.
    pub entropy: Entropy,
}

impl PartialEq for Encryption {
    /// Whether blocks are encrypted in the same way; the source of the salts does not count.
    fn eq(&self, other: &Self) -> bool {
        (&self.key, &self.kads, self.raw_read_disabled) == (&other.key, &other.kads, other.raw_read_disabled)
    }
}

impl Eq for Encryption {}

/// DECRYPTION MODE of the reads of encrypted blocks (SSC-4 §8.5.3.2).
#[derive(Clone, Copy, Debug)]
pub enum Decryption<'a> {
    /// DISABLE: encrypted blocks are not read.
    Disable,
    /// DECRYPT: encrypted blocks are decrypted; blocks in clear are rejected.
    Decrypt(&'a Key),
    /// MIXED: encrypted blocks are decrypted; blocks in clear are read as well.
    Mixed(&'a Key),
    /// RAW: encrypted blocks are read still encrypted, after a header, unless this is disabled for the block; blocks in
    /// clear are read as usual.
    Raw,
}

/// The encryption of a block, as far as it is known without the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptionInfo {
    /// Key-associated data that is stored with the block.
    pub kads: KeyAssociatedData,
    /// Whether reading the block raw is disabled (RDMD).
    pub raw_read_disabled: bool,
    /// Whether the block was read raw from another position and written in EXTERNAL mode. It is then stored with its
    /// original partition and object number.
    pub written_raw: bool,
}

/// The error of a read of a block with the given decryption mode and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The block is encrypted, and no key was given.
    #[error("the block is encrypted, and no key was given")]
    NoKey,
    /// The block is encrypted with another key.
    #[error("the block is encrypted with another key")]
    WrongKey,
    /// The block is in clear, and the mode accepts encrypted blocks only.
    #[error("the block is not encrypted")]
    NotEncrypted,
    /// The block is encrypted, and reading it raw is disabled.
    #[error("the block is encrypted, and reading it raw is disabled")]
    RawReadDisabled,
}

/// Properties of a block that are authenticated with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockContext {
    pub(crate) partition: u8,
    pub(crate) object: u64,
    pub(crate) length: u32,
    pub(crate) codec: CodecId,
}

impl BlockContext {
    fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        let place = [&[self.partition][..], &self.object.to_le_bytes(), &self.length.to_le_bytes(), &[self.codec.0]];
        [header, &place.concat()].concat()
    }
}

/// Maximum number of bytes by which encryption lengthens a block.
pub(crate) const MAX_OVERHEAD: usize = FIXED + 3 * 255 + TAG;

/// Appends of encrypted blocks under one salt.
pub(crate) struct AppendSession {
    encryption: Encryption,
    header: Vec<u8>,
    subkey: Subkey,
    counter: u64,
}

impl AppendSession {
    /// Begins a session with a new salt.
    pub(crate) fn begin(encryption: &Encryption) -> io::Result<Self> {
        let unusable = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "expected a key of 32 bytes and key-associated data of at most 255 bytes",
            )
        };
        if !encryption.key.is_full_length() || encryption.kads.all().iter().any(|kad| kad.len() > 255) {
            return Err(unusable());
        }
        let mut salt = [0; SALT_LEN];
        (encryption.entropy)(&mut salt)?;
        let subkey = Subkey::derive(encryption.key.bytes(), &salt).ok_or_else(unusable)?;
        let lengths = encryption.kads.all().map(|kad| u8::try_from(kad.len()).unwrap_or(u8::MAX));
        let mut header = salt.to_vec();
        header.extend_from_slice(&[0; 8]);
        header.extend_from_slice(&lengths);
        header.push(if encryption.raw_read_disabled { RAW_READ_DISABLED } else { 0 });
        encryption.kads.all().iter().for_each(|kad| header.extend_from_slice(kad));
        Ok(Self { encryption: encryption.clone(), header, subkey, counter: 0 })
    }

    /// Whether blocks with this key and key-associated data belong to the session.
    pub(crate) fn serves(&self, encryption: &Encryption) -> bool {
        self.encryption == *encryption
    }

    /// Fills `out` with the encrypted block. Each call uses up a nonce, even if the block is not stored afterwards.
    pub(crate) fn encrypt(&mut self, content: &[u8], context: BlockContext, out: &mut Vec<u8>) -> io::Result<()> {
        let failed = || io::Error::other("cannot encrypt a block");
        let counter = self.counter;
        self.counter = counter.checked_add(1).ok_or_else(failed)?;
        if let Some(field) = self.header.get_mut(SALT_LEN..SALT_LEN + 8) {
            field.copy_from_slice(&counter.to_le_bytes());
        }
        out.clear();
        out.extend_from_slice(&self.header);
        out.extend_from_slice(content);
        let text = out.get_mut(self.header.len()..).unwrap_or_default();
        let tag = self.subkey.encrypt(counter, &context.authenticated(&self.header), text).ok_or_else(failed)?;
        out.extend_from_slice(&tag);
        Ok(())
    }
}

/// Fields of an encrypted block.
struct EncryptedParts<'a> {
    header: &'a [u8],
    salt: &'a [u8],
    counter: u64,
    kads: KeyAssociatedData,
    raw_read_disabled: bool,
}

fn parts(encrypted: &[u8]) -> Option<EncryptedParts<'_>> {
    let (salt, rest) = encrypted.split_at_checked(SALT_LEN)?;
    let (counter, rest) = rest.split_first_chunk::<8>()?;
    let ([u, a, m, flags], rest) = rest.split_first_chunk::<4>()?;
    let (unauthenticated, rest) = rest.split_at_checked(usize::from(*u))?;
    let (authenticated, rest) = rest.split_at_checked(usize::from(*a))?;
    let (metadata, rest) = rest.split_at_checked(usize::from(*m))?;
    let header = encrypted.get(..encrypted.len() - rest.len())?;
    let kads = KeyAssociatedData {
        unauthenticated: unauthenticated.to_vec(),
        authenticated: authenticated.to_vec(),
        metadata: metadata.to_vec(),
    };
    Some(EncryptedParts {
        header,
        salt,
        counter: u64::from_le_bytes(*counter),
        kads,
        raw_read_disabled: flags & RAW_READ_DISABLED != 0,
    })
}

/// The encryption of a block, from its first bytes; `None` if they are malformed.
pub(crate) fn encryption_info(encrypted: &[u8]) -> Option<EncryptionInfo> {
    parts(encrypted).map(|parts| EncryptionInfo {
        kads: parts.kads,
        raw_read_disabled: parts.raw_read_disabled,
        written_raw: false,
    })
}

/// Length of the header before an encrypted block read raw: codec, length, and original partition and object number.
pub(crate) const RAW_HEADER_LEN: usize = 16;
const RAW_HEADER_MAGIC: [u8; 2] = *b"FR";

impl BlockContext {
    /// The header of an encrypted block read raw.
    pub(crate) fn raw_header(&self) -> [u8; RAW_HEADER_LEN] {
        let mut bytes = [0; RAW_HEADER_LEN];
        let fields = [
            &RAW_HEADER_MAGIC[..],
            &[self.partition, self.codec.0],
            &self.object.to_le_bytes(),
            &self.length.to_le_bytes(),
        ];
        bytes.iter_mut().zip(fields.concat()).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// Splits an encrypted block read raw into the properties it was encrypted with and the encrypted block; `None` if
    /// the bytes are no such block.
    pub(crate) fn parse_raw(raw_block: &[u8]) -> Option<(Self, &[u8])> {
        let (head, encrypted) = raw_block.split_first_chunk::<RAW_HEADER_LEN>()?;
        let [m0, m1, partition, codec, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = *head;
        let object = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let context = Self { partition, object, length, codec: CodecId(codec) };
        let known = [CodecId::NONE, CodecId::ZLIB, CodecId::ZSTD].contains(&context.codec);
        let possible = usize::try_from(length).is_ok_and(|len| (1..=MAX_BLOCK).contains(&len)) && known;
        let whole = parts(encrypted).is_some_and(|parts| encrypted.len() >= parts.header.len() + TAG);
        ([m0, m1] == RAW_HEADER_MAGIC && possible && whole).then_some((context, encrypted))
    }
}

/// The last key, salt and subkey: the next block mostly belongs to the same session.
#[derive(Default)]
pub(crate) struct Decryptor(Option<(Key, Vec<u8>, Subkey)>);

impl Decryptor {
    /// Decrypts a block in place; `None` if the key or the context differs, or the block is damaged.
    pub(crate) fn decrypt<'a>(
        &mut self,
        key: &Key,
        context: BlockContext,
        encrypted: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let parts = parts(encrypted)?;
        let authenticated = context.authenticated(parts.header);
        let (counter, begin) = (parts.counter, parts.header.len());
        if !self.0.as_ref().is_some_and(|(known, salt, _)| known.equals(key.bytes()) && salt == parts.salt) {
            self.0 = Some((key.clone(), parts.salt.to_vec(), Subkey::derive(key.bytes(), parts.salt)?));
        }
        let (_, _, subkey) = self.0.as_ref()?;
        let text = encrypted.get_mut(begin..)?;
        subkey.decrypt(counter, &authenticated, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entropy;

    const PLACE: BlockContext = BlockContext { partition: 1, object: 7, length: 5, codec: CodecId::NONE };

    fn key(seed: u8) -> Key {
        Key::new(&[seed; 32]).unwrap()
    }

    fn session() -> AppendSession {
        let kads =
            KeyAssociatedData { unauthenticated: b"u".to_vec(), authenticated: b"auth".to_vec(), metadata: Vec::new() };
        AppendSession::begin(&Encryption { key: key(1), kads, raw_read_disabled: false, entropy }).unwrap()
    }

    #[test]
    fn block_decrypts_only_with_its_key_and_place() {
        let (mut session, mut encrypted) = (session(), Vec::new());
        session.encrypt(b"hello", PLACE, &mut encrypted).unwrap();
        assert_eq!(encrypted.len(), 44 + 5 + 5 + 16);
        assert!(!encrypted.windows(5).any(|window| window == b"hello"));
        assert_eq!(encryption_info(&encrypted).unwrap().kads.authenticated, b"auth");
        let open = |key: &Key, context, mut bytes: Vec<u8>| {
            Decryptor::default().decrypt(key, context, &mut bytes).map(<[u8]>::to_vec)
        };
        assert_eq!(open(&key(1), PLACE, encrypted.clone()), Some(b"hello".to_vec()));
        assert_eq!(open(&key(2), PLACE, encrypted.clone()), None);
        for other in [
            BlockContext { partition: 0, ..PLACE },
            BlockContext { object: 8, ..PLACE },
            BlockContext { length: 6, ..PLACE },
            BlockContext { codec: CodecId::ZSTD, ..PLACE },
        ] {
            assert_eq!(open(&key(1), other, encrypted.clone()), None, "{other:?}");
        }
        for at in 0..encrypted.len() {
            let mut bad = encrypted.clone();
            bad[at] ^= 1;
            assert_eq!(open(&key(1), PLACE, bad), None, "byte {at}");
            assert_eq!(open(&key(1), PLACE, encrypted[..at].to_vec()), None, "cut at {at}");
        }
    }

    #[test]
    fn nonces_are_unique() {
        let (mut one, mut two) = (session(), session());
        let mut seen = std::collections::BTreeSet::new();
        for session in [&mut one, &mut two] {
            for _ in 0..100 {
                // The same object repeatedly: a failed write is retried.
                let mut encrypted = Vec::new();
                session.encrypt(b"hello", PLACE, &mut encrypted).unwrap();
                assert!(seen.insert(encrypted[..SALT_LEN + 8].to_vec()));
            }
        }
        assert!(
            AppendSession::begin(&Encryption {
                key: Key::new(b"short").unwrap(),
                kads: KeyAssociatedData::default(),
                raw_read_disabled: false,
                entropy
            })
            .is_err()
        );
        assert!(Key::new(&[0; 33]).is_none() && Key::new(&[]).is_none());
        assert_eq!(format!("{:?}", key(9)), "Key(32 bytes)");
    }
}
