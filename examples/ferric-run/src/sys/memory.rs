//! Addresses and lengths of memory, which only the kernel follows.

/// Memory of the program or of this library, as `struct iovec`. Nothing here follows the address: it is passed to the
/// kernel, which checks it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Memory {
    /// Address of the first byte.
    pub(crate) address: usize,
    /// Length in bytes.
    pub(crate) len: usize,
}

const _: () = assert!(size_of::<Memory>() == size_of::<libc::iovec>());

impl Memory {
    /// No memory.
    pub(crate) const EMPTY: Self = Self { address: 0, len: 0 };

    /// The memory of values that the kernel reads.
    pub(crate) fn of<T>(values: &[T]) -> Self {
        Self { address: values.as_ptr().addr(), len: size_of_val(values) }
    }

    /// The memory of values that the kernel writes.
    pub(crate) fn of_mut<T>(values: &mut [T]) -> Self {
        Self { address: values.as_mut_ptr().expose_provenance(), len: size_of_val(values) }
    }

    /// The same without its first bytes.
    pub(crate) fn skip(self, bytes: usize) -> Self {
        let bytes = bytes.min(self.len);
        Self { address: self.address.wrapping_add(bytes), len: self.len - bytes }
    }

    /// The first bytes of the same.
    pub(crate) fn first(self, bytes: usize) -> Self {
        Self { len: self.len.min(bytes), ..self }
    }
}
