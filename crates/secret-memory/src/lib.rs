//! Values that are left out of core dumps (`MADV_DONTDUMP`), kept out of swap where the limits allow it (`mlock`), and
//! overwritten with zeros when they are dropped: encryption keys, and what is derived from them.
//!
//! A value that is moved into a [`SecretBox`] leaves a copy where it was before; make it as close to that as possible.

mod sys;

use std::fmt;
use std::mem::{align_of, size_of};
use std::ops::{Deref, DerefMut};
use sys::Region;

/// A value in memory of its own.
pub struct SecretBox<T> {
    region: Region<T>,
}

impl<T> SecretBox<T> {
    /// Moves a value into memory of its own; `None` if the system gives none.
    #[must_use]
    pub fn new(value: T) -> Option<Self> {
        const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096, "a value that fits at the beginning of a page") };
        Region::new(value).ok().map(|region| Self { region })
    }
}

impl<T> Deref for SecretBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.region.get()
    }
}

impl<T> DerefMut for SecretBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.region.get_mut()
    }
}

impl<T> fmt::Debug for SecretBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBox")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The flags of the mapping that has an address, as the kernel shows them.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut found = false;
        for line in maps.lines() {
            if let Some((from, to)) = line.split_whitespace().next().and_then(|range| range.split_once('-'))
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                found = (from..to).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| found) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping has {address:x}");
    }

    #[test]
    fn mapping_is_excluded_from_core_dumps() {
        let secret = SecretBox::new([0x5a_u8; 100]).unwrap();
        assert_eq!(*secret, [0x5a; 100]);
        let flags = flags(secret.as_ptr() as usize);
        assert!(flags.contains(&"dd".into()), "{flags:?}");
    }

    #[test]
    fn value_is_dropped_once() {
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let drops = Arc::new(AtomicUsize::new(0));
        let secret = SecretBox::new(Counted(Arc::clone(&drops))).unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        drop(secret);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}
