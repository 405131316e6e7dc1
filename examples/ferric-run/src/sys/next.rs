//! The functions of the C library that this library replaces: the next definition of each name.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// The address of a function, once it was looked up.
pub(crate) struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// The address of the function; null if the C library does not have it.
    pub(crate) fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a C string, and RTLD_NEXT is valid in a library.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Calls the C library's function of this name, type and arguments. Without it, the value after `else` is returned, with
/// ENOSYS.
macro_rules! next {
    ($name:literal, fn($($type:ty),* $(; $variadic:tt)?) -> $result:ty, ($($argument:expr),*) else $missing:expr) => {{
        static NEXT: $crate::sys::next::Next = $crate::sys::next::Next::new($name);
        let address = NEXT.address();
        if address.is_null() {
            $crate::sys::kernel::set_errno(linux_scsi::Errno::ENOSYS);
            $missing
        } else {
            #[allow(unused_unsafe, reason = "some callers are in unsafe blocks")]
            // SAFETY: the C library declares the function with this type. The program passed the arguments to the
            // function of the same name, or they are values of this library that fulfil the same conditions.
            unsafe {
                let function: unsafe extern "C" fn($($type),* $(, $variadic)?) -> $result = std::mem::transmute(address);
                function($($argument),*)
            }
        }
    }};
}

pub(crate) use next;
