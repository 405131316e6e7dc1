//! Sealed blocks: AES-256-GCM under a key that the caller has and the cartridge never sees.
//!
//! Each append session draws a salt of 32 bytes and derives a key of its own from it, under which it counts nonces. So
//! no nonce is used twice under one key, not even if a block is written again at the same place, after a crash, or on
//! a folder that was restored from a copy: the salt will be another. Partition, object, length, codec and the
//! key-associated data are authenticated with the block. The layout is in `docs/format.md`.

use crate::medium::{CodecId, MAX_BLOCK};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use secret_memory::SecretBox;
use std::fmt;
use std::io;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Where salts come from: fills all of it with random bytes.
pub type Entropy = fn(&mut [u8; SALT]) -> io::Result<()>;

/// Bytes of a salt.
pub const SALT: usize = 32;
const TAG: usize = 16;
/// Salt, counter, and the lengths of three kinds of key-associated data.
const FIXED: usize = SALT + 8 + 4;
/// The last byte of the fixed part: not to be read raw.
const PROTECTED: u8 = 1;
const INFO: &[u8] = b"ferric sealed block 1";

/// The system's random bytes.
///
/// # Errors
/// The system has none.
pub fn system_entropy(salt: &mut [u8; SALT]) -> io::Result<()> {
    aws_lc_rs::rand::fill(salt).map_err(|_| io::Error::other("the system gives no random bytes"))
}

/// A key. It is left out of core dumps, overwritten when dropped, compared in constant time, and not shown.
#[derive(Clone)]
pub struct Key {
    bytes: Arc<SecretBox<[u8; Self::MAX]>>,
    len: usize,
}

impl Key {
    /// The longest key.
    pub const MAX: usize = 32;

    /// A key of 1 to 32 bytes; only one of 32 seals.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut room = SecretBox::new([0; Self::MAX])?;
        room.get_mut(..bytes.len()).filter(|room| !room.is_empty())?.copy_from_slice(bytes);
        Some(Self { bytes: Arc::new(room), len: bytes.len() })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether it is as long as a key that seals.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.len == Self::MAX
    }

    /// Whether it is the same.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes().ct_eq(bytes).into()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.bytes())
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.len)
    }
}

/// Key-associated data, each up to 255 bytes; stored in clear, authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kads {
    /// Unauthenticated by name, SSC's U-KAD.
    pub unauthenticated: Vec<u8>,
    /// A-KAD.
    pub authenticated: Vec<u8>,
    /// M-KAD.
    pub metadata: Vec<u8>,
}

impl Kads {
    const fn all(&self) -> [&Vec<u8>; 3] {
        [&self.unauthenticated, &self.authenticated, &self.metadata]
    }
}

/// How blocks are to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// With this key, of 32 bytes.
    pub key: Key,
    /// And this beside it.
    pub kads: Kads,
    /// It is not to be read raw.
    pub protected: bool,
}

/// How sealed blocks are to be read.
#[derive(Clone, Copy, Debug)]
pub enum Unseal<'a> {
    /// They are not.
    Never,
    /// With this key, and blocks that are not sealed are refused.
    Only(&'a Key),
    /// With this key; blocks that are not sealed are read as well.
    Also(&'a Key),
    /// As they are, in a [`capsule`](Sealing), if they are not protected from that; blocks that are not sealed as ever.
    Raw,
}

/// How a block is sealed, as far as can be known without its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    /// What was given with the key.
    pub kads: Kads,
    /// It is not to be read raw.
    pub protected: bool,
    /// It was read raw elsewhere, and came here as it was: a capsule, which is the place it was sealed for, and itself.
    pub external: bool,
}

/// Why a block cannot be read with what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Locked {
    /// It is sealed, and there is no key.
    #[error("the block is encrypted, and no key was given")]
    NoKey,
    /// It is sealed with another key.
    #[error("the block is encrypted with another key")]
    WrongKey,
    /// It is not sealed, and only sealed ones are wanted.
    #[error("the block is not encrypted")]
    Clear,
    /// It may not be read as it is.
    #[error("the block is encrypted and must not be read raw")]
    Protected,
}

/// Where a block is and what it is: authenticated with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) partition: u8,
    pub(crate) object: u64,
    pub(crate) length: u32,
    pub(crate) codec: CodecId,
}

impl Context {
    fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        let place = [&[self.partition][..], &self.object.to_le_bytes(), &self.length.to_le_bytes(), &[self.codec.0]];
        [header, &place.concat()].concat()
    }
}

/// The longest that a sealed block is longer than its content.
pub(crate) const MOST_OVERHEAD: usize = FIXED + 3 * 255 + TAG;

/// An append session.
pub(crate) struct Session {
    seal: Seal,
    header: Vec<u8>,
    subkey: SecretBox<LessSafeKey>,
    counter: u64,
}

impl Session {
    /// Begins a session with a fresh salt.
    pub(crate) fn begin(seal: &Seal, entropy: Entropy) -> io::Result<Self> {
        let unusable =
            || io::Error::new(io::ErrorKind::InvalidInput, "a key that seals has 32 bytes, its data at most 255");
        if !seal.key.is_whole() || seal.kads.all().iter().any(|kad| kad.len() > 255) {
            return Err(unusable());
        }
        let mut salt = [0; SALT];
        entropy(&mut salt)?;
        let subkey = derive(&seal.key, &salt).ok_or_else(unusable)?;
        let lengths = seal.kads.all().map(|kad| u8::try_from(kad.len()).unwrap_or(u8::MAX));
        let mut header = salt.to_vec();
        header.extend_from_slice(&[0; 8]);
        header.extend_from_slice(&lengths);
        header.push(if seal.protected { PROTECTED } else { 0 });
        seal.kads.all().iter().for_each(|kad| header.extend_from_slice(kad));
        Ok(Self { seal: seal.clone(), header, subkey, counter: 0 })
    }

    /// Whether blocks sealed this way belong to it.
    pub(crate) fn serves(&self, seal: &Seal) -> bool {
        self.seal == *seal
    }

    /// Fills `out` with the sealed block. Each call uses a nonce, whether the block is stored or not.
    pub(crate) fn seal(&mut self, content: &[u8], context: Context, out: &mut Vec<u8>) -> io::Result<()> {
        let failed = || io::Error::other("a block could not be sealed");
        let counter = self.counter;
        self.counter = counter.checked_add(1).ok_or_else(failed)?;
        if let Some(field) = self.header.get_mut(SALT..SALT + 8) {
            field.copy_from_slice(&counter.to_le_bytes());
        }
        out.clear();
        out.extend_from_slice(&self.header);
        out.extend_from_slice(content);
        let text = out.get_mut(self.header.len()..).unwrap_or_default();
        let aad = Aad::from(context.authenticated(&self.header));
        let tag = self.subkey.seal_in_place_separate_tag(nonce(counter), aad, text).map_err(|_| failed())?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(low) = bytes.last_chunk_mut() {
        *low = counter.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

fn derive(key: &Key, salt: &[u8]) -> Option<SecretBox<LessSafeKey>> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(key.bytes());
    SecretBox::new(LessSafeKey::new(UnboundKey::from(prk.expand(&[INFO], &AES_256_GCM).ok()?)))
}

/// A sealed block, taken apart.
struct Parts<'a> {
    header: &'a [u8],
    salt: &'a [u8],
    counter: u64,
    kads: Kads,
    protected: bool,
}

fn parts(sealed: &[u8]) -> Option<Parts<'_>> {
    let (salt, rest) = sealed.split_at_checked(SALT)?;
    let (counter, rest) = rest.split_first_chunk::<8>()?;
    let ([u, a, m, flags], rest) = rest.split_first_chunk::<4>()?;
    let (unauthenticated, rest) = rest.split_at_checked(usize::from(*u))?;
    let (authenticated, rest) = rest.split_at_checked(usize::from(*a))?;
    let (metadata, rest) = rest.split_at_checked(usize::from(*m))?;
    let header = sealed.get(..sealed.len() - rest.len())?;
    let kads = Kads {
        unauthenticated: unauthenticated.to_vec(),
        authenticated: authenticated.to_vec(),
        metadata: metadata.to_vec(),
    };
    Some(Parts { header, salt, counter: u64::from_le_bytes(*counter), kads, protected: flags & PROTECTED != 0 })
}

/// How a block is sealed, from its first bytes.
pub(crate) fn sealing(sealed: &[u8]) -> Option<Sealing> {
    parts(sealed).map(|parts| Sealing { kads: parts.kads, protected: parts.protected, external: false })
}

/// Before a sealed block that was read raw: what it is, and the place it was sealed for.
pub(crate) const CAPSULE: usize = 16;
const CAPSULE_MAGIC: [u8; 2] = *b"FR";

impl Context {
    /// The beginning of a capsule.
    pub(crate) fn capsule(&self) -> [u8; CAPSULE] {
        let mut bytes = [0; CAPSULE];
        let fields = [
            &CAPSULE_MAGIC[..],
            &[self.partition, self.codec.0],
            &self.object.to_le_bytes(),
            &self.length.to_le_bytes(),
        ];
        bytes.iter_mut().zip(fields.concat()).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// The place that a capsule's block was sealed for, and the block; `None` if it is no capsule.
    pub(crate) fn of_capsule(capsule: &[u8]) -> Option<(Self, &[u8])> {
        let (head, sealed) = capsule.split_first_chunk::<CAPSULE>()?;
        let [m0, m1, partition, codec, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = *head;
        let object = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let context = Self { partition, object, length, codec: CodecId(codec) };
        let known = [CodecId::NONE, CodecId::ZLIB, CodecId::ZSTD].contains(&context.codec);
        let possible = usize::try_from(length).is_ok_and(|len| (1..=MAX_BLOCK).contains(&len)) && known;
        let whole = parts(sealed).is_some_and(|parts| sealed.len() >= parts.header.len() + TAG);
        ([m0, m1] == CAPSULE_MAGIC && possible && whole).then_some((context, sealed))
    }
}

/// What was last opened: the next block is mostly of the same session.
#[derive(Default)]
pub(crate) struct Opened(Option<(Key, Vec<u8>, SecretBox<LessSafeKey>)>);

impl Opened {
    /// Opens a sealed block in its place; `None` if the key is not its own.
    pub(crate) fn open<'a>(&mut self, key: &Key, context: Context, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let parts = parts(sealed)?;
        let aad = Aad::from(context.authenticated(parts.header));
        let (counter, begin) = (parts.counter, parts.header.len());
        if !self.0.as_ref().is_some_and(|(known, salt, _)| known.is(key.bytes()) && salt == parts.salt) {
            self.0 = Some((key.clone(), parts.salt.to_vec(), derive(key, parts.salt)?));
        }
        let (_, _, subkey) = self.0.as_ref()?;
        let text = sealed.get_mut(begin..)?;
        subkey.open_in_place(nonce(counter), aad, text).ok().map(|text| &*text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Context = Context { partition: 1, object: 7, length: 5, codec: CodecId::NONE };

    fn key(seed: u8) -> Key {
        Key::new(&[seed; 32]).unwrap()
    }

    fn session() -> Session {
        let kads = Kads { unauthenticated: b"u".to_vec(), authenticated: b"auth".to_vec(), metadata: Vec::new() };
        Session::begin(&Seal { key: key(1), kads, protected: false }, system_entropy).unwrap()
    }

    #[test]
    fn only_its_key_and_its_place_open_a_block() {
        let (mut session, mut sealed) = (session(), Vec::new());
        session.seal(b"hello", PLACE, &mut sealed).unwrap();
        assert_eq!(sealed.len(), 44 + 5 + 5 + 16);
        assert!(!sealed.windows(5).any(|window| window == b"hello"));
        assert_eq!(sealing(&sealed).unwrap().kads.authenticated, b"auth");
        let open = |key: &Key, context, mut bytes: Vec<u8>| {
            Opened::default().open(key, context, &mut bytes).map(<[u8]>::to_vec)
        };
        assert_eq!(open(&key(1), PLACE, sealed.clone()), Some(b"hello".to_vec()));
        assert_eq!(open(&key(2), PLACE, sealed.clone()), None);
        for other in [
            Context { partition: 0, ..PLACE },
            Context { object: 8, ..PLACE },
            Context { length: 6, ..PLACE },
            Context { codec: CodecId::ZSTD, ..PLACE },
        ] {
            assert_eq!(open(&key(1), other, sealed.clone()), None, "{other:?}");
        }
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(open(&key(1), PLACE, bad), None, "byte {at}");
            assert_eq!(open(&key(1), PLACE, sealed[..at].to_vec()), None, "cut at {at}");
        }
    }

    #[test]
    fn no_nonce_comes_twice() {
        let (mut one, mut two) = (session(), session());
        let mut seen = std::collections::BTreeSet::new();
        for session in [&mut one, &mut two] {
            for _ in 0..100 {
                // The same object again and again: a write that failed is repeated.
                let mut sealed = Vec::new();
                session.seal(b"hello", PLACE, &mut sealed).unwrap();
                assert!(seen.insert(sealed[..SALT + 8].to_vec()));
            }
        }
        assert!(
            Session::begin(
                &Seal { key: Key::new(b"short").unwrap(), kads: Kads::default(), protected: false },
                system_entropy
            )
            .is_err()
        );
        assert!(Key::new(&[0; 33]).is_none() && Key::new(&[]).is_none());
        assert_eq!(format!("{:?}", key(9)), "Key(32 bytes)");
    }
}
