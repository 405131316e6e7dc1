//! Key wrapping of a build without feature `encryption`: there are no key pairs.

use crate::encrypt::Key;

/// A key pair, of which none exists.
pub(super) enum Rsa {}

impl Rsa {
    pub(super) const fn from_pkcs8(_document: &[u8]) -> Option<Self> {
        None
    }

    pub(super) const fn public(&self) -> [&[u8]; 2] {
        match *self {}
    }

    pub(super) const fn unwrap_key(&self, _wrapped: &[u8], _label: &[u8]) -> Option<Key> {
        match *self {}
    }
}
