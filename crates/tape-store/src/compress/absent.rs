//! The contexts of a codec that this build lacks. They are never called: [`CodecId::missing_feature`] is checked first.
//!
//! [`CodecId::missing_feature`]: crate::medium::CodecId::missing_feature

/// Contexts without a codec.
#[derive(Default)]
pub(super) struct Absent;

impl Absent {
    pub(super) const fn compress(&mut self, _block: &[u8], _level: u8, _output: &mut [u8]) -> Option<usize> {
        None
    }

    pub(super) const fn decompress(&mut self, _stored: &[u8], _into: &mut [u8]) -> Option<usize> {
        None
    }
}
