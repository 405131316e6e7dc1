//! Writer of parameter data: big-endian fields, and length fields that are computed from the data after them.

/// A growing page of parameter data, whose lengths are filled in when a part ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageWriter(Vec<u8>);

impl PageWriter {
    /// A page without any bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends the bytes without conversion.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends one byte to the page.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Appends two bytes, big-endian, to the page.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends three bytes, big-endian, saturated at FFFFFFh.
    pub fn u24(&mut self, value: u32) -> &mut Self {
        let [_, a, b, c] = value.min(0x00ff_ffff).to_be_bytes();
        self.bytes(&[a, b, c])
    }

    /// Appends four bytes, big-endian, to the page.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends the low six bytes of `value`, big-endian.
    pub fn u48(&mut self, value: u64) -> &mut Self {
        let [_, _, rest @ ..] = value.to_be_bytes();
        self.bytes(&rest)
    }

    /// Appends eight bytes, big-endian, to the page.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends `count` bytes of zero.
    pub fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    /// Appends ASCII text, space-padded or truncated to `width` bytes. Bytes outside 20h to 7Eh become spaces.
    pub fn ascii(&mut self, text: &str, width: usize) -> &mut Self {
        let end = self.0.len() + width;
        let printable = |byte: u8| if (0x20..0x7f).contains(&byte) { byte } else { b' ' };
        self.0.extend(text.bytes().map(printable).take(width));
        self.0.resize(end, b' ');
        self
    }

    /// Appends a 1-byte length, saturated, and the data that `body` appends.
    pub fn length_u8(&mut self, body: impl FnOnce(&mut Self)) -> &mut Self {
        self.with_length(1, body)
    }

    /// Appends a 2-byte length, saturated, and the data that `body` appends.
    pub fn length_u16(&mut self, body: impl FnOnce(&mut Self)) -> &mut Self {
        self.with_length(2, body)
    }

    /// Appends a 3-byte length, saturated, and the data that `body` appends.
    pub fn length_u24(&mut self, body: impl FnOnce(&mut Self)) -> &mut Self {
        self.with_length(3, body)
    }

    /// Appends a 4-byte length, saturated, and the data that `body` appends.
    pub fn length_u32(&mut self, body: impl FnOnce(&mut Self)) -> &mut Self {
        self.with_length(4, body)
    }

    fn with_length(&mut self, width: usize, body: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.zeros(width);
        body(self);
        let len = (self.0.len() - start - width) as u64;
        let max = (1_u64 << (8 * width)) - 1;
        let bytes = len.min(max).to_be_bytes();
        if let (Some(slot), Some(value)) = (self.0.get_mut(start..start + width), bytes.get(8 - width..)) {
            slot.copy_from_slice(value);
        }
        self
    }

    /// Number of bytes appended so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the page has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of the page.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of the page, without the writer.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// The bytes of the page, to patch a field.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_fields_are_nested() {
        let mut page = PageWriter::new();
        page.u8(0x83).length_u16(|w| {
            w.u8(1).length_u8(|w| {
                w.ascii("ab", 3);
            });
        });
        assert_eq!(page.as_slice(), [0x83, 0, 5, 1, 3, b'a', b'b', b' ']);
    }

    #[test]
    fn length_field_saturates() {
        let mut page = PageWriter::new();
        page.length_u8(|w| {
            w.zeros(300);
        });
        assert_eq!(page.as_slice()[0], 0xff);
    }
}
