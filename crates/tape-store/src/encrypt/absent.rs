//! The cipher of a build without feature `encryption`: there are no subkeys.

use super::TAG;

/// A subkey, of which none exists.
pub(super) enum Subkey {}

impl Subkey {
    pub(super) const fn derive(_key: &[u8], _salt: &[u8]) -> Option<Self> {
        None
    }

    pub(super) const fn encrypt(&self, _counter: u64, _authenticated: &[u8], _text: &mut [u8]) -> Option<[u8; TAG]> {
        match *self {}
    }

    pub(super) const fn decrypt<'a>(
        &self,
        _counter: u64,
        _authenticated: &[u8],
        _text: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        match *self {}
    }
}
