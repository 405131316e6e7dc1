//! Memory mappings of the operating system. All unsafe code of this crate, with the reasons why it is sound.
#![allow(unsafe_code, reason = "mappings are addresses")]

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use std::io;
use std::mem::size_of;
use std::ptr::{NonNull, null_mut};

/// A mapping that holds one value at its beginning.
pub(crate) struct Region<T> {
    value: NonNull<T>,
}

// SAFETY: a region owns its value as a `Box` does; it is not shared with anything.
unsafe impl<T: Send> Send for Region<T> {}
// SAFETY: a shared region gives out only shared references to the value.
unsafe impl<T: Sync> Sync for Region<T> {}

impl<T> Region<T> {
    /// Maps pages for a value and moves it there. An error of `mmap` or `madvise` is returned.
    pub(crate) fn new(value: T) -> io::Result<Self> {
        let len = size_of::<T>();
        // SAFETY: a new private mapping at an address that the kernel chooses overlaps nothing.
        let start = unsafe { mmap_anonymous(null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
        // SAFETY: the advice changes neither content nor validity of the mapping, which has `len` bytes from `start`.
        let excluded = unsafe { madvise(start, len, Advice::LinuxDontDump) };
        // SAFETY: as above. If the limit for locked memory is too low, the value is used without the lock.
        let _ = unsafe { mlock(start, len) };
        let address = NonNull::new(start.cast::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        if let Err(error) = excluded {
            // SAFETY: this function owns the mapping, and nothing refers to it.
            let _ = unsafe { munmap(start, len) };
            return Err(error.into());
        }
        // SAFETY: the mapping is writable, large enough for a `T`, and page-aligned; the caller has checked that this
        // is enough for the alignment of `T`.
        unsafe { address.write(value) };
        Ok(Self { value: address })
    }

    pub(crate) const fn get(&self) -> &T {
        // SAFETY: `new` has written a valid value, which only `drop` destroys.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Region<T> {
    pub(crate) const fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in `get`; the region is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for Region<T> {
    fn drop(&mut self) {
        let start = self.value.as_ptr();
        // SAFETY: the value is valid, and nothing uses it afterwards.
        unsafe { start.drop_in_place() };
        // The kernel clears unmapped pages before it reuses them, but may swap them out before that.
        for at in 0..size_of::<T>() {
            // SAFETY: the mapping has `size_of::<T>()` writable bytes. Volatile, so that the compiler does not remove
            // the write.
            unsafe { start.cast::<u8>().add(at).write_volatile(0) };
        }
        // SAFETY: this region owns the mapping, and nothing refers to it afterwards.
        let _ = unsafe { munmap(start.cast(), size_of::<T>()) };
    }
}
