//! Functions that open files: `open` and its forms.

use super::kernel::{errno, set_errno};
use super::next::next;
use crate::path::PathBuffer;
use crate::{channel, device, resolve};
use libc::{AT_FDCWD, c_char, c_int, c_uint};
use linux_scsi::Errno;
use std::ffi::CStr;

/// The bytes of a path of the program; empty for a null pointer.
///
/// # Safety
/// The pointer is null, or of a C string that lives as long as the program's call.
pub(super) unsafe fn path_of<'a>(path: *const c_char) -> &'a [u8] {
    // SAFETY: the caller passes a C string.
    if path.is_null() { b"" } else { unsafe { CStr::from_ptr(path) }.to_bytes() }
}

/// What `open(2)` has to do with a path.
#[expect(clippy::large_enum_variant, reason = "nothing is allocated; the value lives for one call")]
pub(super) enum Target {
    /// A path of the program.
    Other,
    /// A file of `ferric run`.
    File(PathBuffer),
    /// A device node, by its device number, and whether the program may open it.
    Device(u32, Result<(), Errno>),
}

pub(super) fn target(directory: c_int, path: &[u8], flags: c_int) -> Target {
    let may_create = flags & (libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW) == libc::O_CREAT;
    let file = resolve::in_tree(directory, path)
        // The kernel would create the device node to which a symbolic link leads, as a file.
        .or_else(|| if may_create { resolve::link_to_device(directory, path) } else { None });
    file.map_or(Target::Other, |file| target_in_tree(file, flags))
}

fn target_in_tree(file: PathBuffer, flags: c_int) -> Target {
    match device::node(&file) {
        Some(_) if flags & libc::O_PATH != 0 => Target::File(file),
        Some(number) => Target::Device(number, device::check_access(&file, flags)),
        None if device::is_gone(&file) => {
            channel::gone();
            Target::Device(0, Err(Errno::ENXIO))
        }
        None => Target::File(file),
    }
}

/// The target of a path that the C library could not open; `errno` has the reason.
pub(super) fn target_of_missing(directory: c_int, path: &[u8], flags: c_int) -> Target {
    let error = errno();
    // A node of the machine for a device that it does not have is ENXIO or ENODEV.
    let is_missing = [Errno::ENOENT, Errno::ENXIO, Errno::ENODEV].contains(&error);
    let file = if is_missing { resolve::of_missing(directory, path) } else { None };
    let target = file.map_or(Target::Other, |file| target_in_tree(file, flags));
    set_errno(error);
    target
}

/// Returns a result as a function of the C library: -1 with `errno`.
pub(super) fn result(result: Result<c_int, Errno>) -> c_int {
    result.unwrap_or_else(|error| {
        set_errno(error);
        -1
    })
}

pub(super) fn open_device(number: u32, access: Result<(), Errno>, flags: c_int) -> Result<c_int, Errno> {
    if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL {
        return Err(Errno::EEXIST);
    }
    if flags & libc::O_DIRECTORY != 0 {
        return Err(Errno::ENOTDIR);
    }
    access?;
    device::open(number, flags.cast_unsigned())
}

/// A function with the parameters of `openat`.
type OpenAt = fn(c_int, *const c_char, c_int, c_uint) -> c_int;

/// Opens a path with `open`, the function of the C library that the program called.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn open_with(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint, open: OpenAt) -> c_int {
    // SAFETY: the caller ensures it (see "Safety" of this function).
    let bytes = unsafe { path_of(path) };
    let open_target = |target| match target {
        Target::Other => None,
        // Nothing is created in the tree: a device that does not exist stays so.
        Target::File(file) => Some(open(AT_FDCWD, file.c_str().as_ptr(), flags & !libc::O_CREAT, 0)),
        Target::Device(number, access) => Some(result(open_device(number, access, flags))),
    };
    open_target(target(directory, bytes, flags)).unwrap_or_else(|| match open(directory, path, flags, mode) {
        -1 => open_target(target_of_missing(directory, bytes, flags)).unwrap_or(-1),
        fd => fd,
    })
}

fn real_openat(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    next!(c"openat64", fn(c_int, *const c_char, c_int; ...) -> c_int, (directory, path, flags, mode) else -1)
}

fn real_open(_: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    next!(c"open64", fn(*const c_char, c_int; ...) -> c_int, (path, flags, mode) else -1)
}

/// Defines forms of `open`, which all do the same where `off_t` has 64 bits. The C declarations are variadic; the calling
/// conventions of x86-64 and AArch64 pass a third integer like that of a function with three parameters, and without
/// O_CREAT the program does not pass it and it is not used.
macro_rules! define_open {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            // SAFETY: the program passes a C string.
            unsafe { open_with(AT_FDCWD, path, flags, mode, real_open) }
        }
    )*};
}

/// Defines forms of `openat`, as `define_open`.
macro_rules! define_openat {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            // SAFETY: the program passes a C string.
            unsafe { open_with(directory, path, flags, mode, real_openat) }
        }
    )*};
}

define_open! { open open64 __open_2 __open64_2 }
define_openat! { openat openat64 __openat_2 __openat64_2 }

/// Defines both forms of `creat`.
macro_rules! define_creat {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: c_uint) -> c_int {
            let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
            // SAFETY: the program passes a C string.
            unsafe { open_with(AT_FDCWD, path, flags, mode, real_open) }
        }
    )*};
}

define_creat! { creat creat64 }
