//! Mappings of the operating system. All unsafe code of this crate, and why it is sound.
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
// SAFETY: through a shared region only a shared reference to the value can be had.
unsafe impl<T: Sync> Sync for Region<T> {}

impl<T> Region<T> {
    /// Maps pages for a value and moves it there.
    pub(crate) fn new(value: T) -> io::Result<Self> {
        let len = size_of::<T>();
        // SAFETY: a new private mapping at an address that the kernel chooses overlaps nothing.
        let start = unsafe { mmap_anonymous(null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
        // SAFETY: the advice changes neither content nor validity of the mapping, which has `len` bytes from `start`.
        let excluded = unsafe { madvise(start, len, Advice::LinuxDontDump) };
        // SAFETY: as above. The limit for locked memory may be too low: then it is as good without.
        let _ = unsafe { mlock(start, len) };
        let place = NonNull::new(start.cast::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        if let Err(error) = excluded {
            // SAFETY: the mapping is this function's, and nothing refers to it.
            let _ = unsafe { munmap(start, len) };
            return Err(error.into());
        }
        // SAFETY: the mapping has room for a `T`, is writable, and is aligned to a page, which the caller has compared with
        // the alignment of `T`.
        unsafe { place.write(value) };
        Ok(Self { value: place })
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
        // The kernel gives pages that were unmapped to others only after it has cleared them, but it may still swap them.
        for at in 0..size_of::<T>() {
            // SAFETY: the mapping has `size_of::<T>()` writable bytes; volatile, so that the write is not left out.
            unsafe { start.cast::<u8>().add(at).write_volatile(0) };
        }
        // SAFETY: the mapping is this region's, and nothing refers to it any more.
        let _ = unsafe { munmap(start.cast(), size_of::<T>()) };
    }
}
