//! Memory for encryption keys and values derived from them. It is excluded from core dumps (`MADV_DONTDUMP`) and, if
//! the limits allow it, from swap (`mlock`), and overwritten with zeros when the value is dropped.
//!
//! Moving a value into a [`SecretBox`] leaves a copy at its previous location. Create the value directly before the
//! move, so that few copies exist.

mod sys;

use std::fmt;
use std::mem::{align_of, size_of};
use std::ops::{Deref, DerefMut};
use sys::Region;

/// A value in its own memory mapping.
pub struct SecretBox<T> {
    region: Region<T>,
}

impl<T> SecretBox<T> {
    /// Moves a value into a new mapping; `None` if the system cannot map memory or exclude it from core dumps.
    #[must_use]
    pub fn new(value: T) -> Option<Self> {
        const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096, "a value must fit at the beginning of a page") };
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

    /// The kernel's flags of the mapping that contains an address.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut in_mapping = false;
        for line in maps.lines() {
            if let Some((from, to)) = line.split_whitespace().next().and_then(|range| range.split_once('-'))
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                in_mapping = (from..to).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| in_mapping) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping contains {address:x}");
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
