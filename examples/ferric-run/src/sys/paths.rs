//! Functions of paths: `access`, `readlink`, `realpath`, `chdir`, `getcwd`.

use super::next::next;
use super::open::path_of;
use super::stat::{with_path, with_path_at};
use crate::resolve;
use libc::{AT_FDCWD, c_char, c_int, c_void, size_t, ssize_t};
use std::ffi::CStr;

/// Defines functions of a path and a mode.
macro_rules! define_access {
    ($($name:ident $next:literal),*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: c_int) -> c_int {
            // SAFETY: the program passes a C string.
            unsafe {
                with_path(path, |path| {
                    next!($next, fn(*const c_char, c_int) -> c_int, (path, mode) else -1)
                })
            }
        }
    )*};
}

define_access! { access c"access", eaccess c"eaccess", euidaccess c"euidaccess" }

/// Defines functions that read extended attributes, for which `ls -l` looks.
macro_rules! define_attributes {
    ($($get:ident $next_get:literal, $list:ident $next_list:literal);*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $get(path: *const c_char, name: *const c_char, into: *mut c_void, size: size_t) -> ssize_t {
            // SAFETY: the program passes C strings.
            unsafe {
                with_path(path, |path| {
                    next!(
                        $next_get,
                        fn(*const c_char, *const c_char, *mut c_void, size_t) -> ssize_t,
                        (path, name, into, size) else -1
                    )
                })
            }
        }

        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $list(path: *const c_char, into: *mut c_char, size: size_t) -> ssize_t {
            // SAFETY: the program passes a C string.
            unsafe {
                with_path(path, |path| {
                    next!($next_list, fn(*const c_char, *mut c_char, size_t) -> ssize_t, (path, into, size) else -1)
                })
            }
        }
    )*};
}

define_attributes! {
    getxattr c"getxattr", listxattr c"listxattr";
    lgetxattr c"lgetxattr", llistxattr c"llistxattr"
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn faccessat(directory: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
    // SAFETY: the program passes a C string.
    unsafe {
        with_path_at(directory, path, |directory, path| {
            next!(
                c"faccessat",
                fn(c_int, *const c_char, c_int, c_int) -> c_int,
                (directory, path, mode, flags) else -1
            )
        })
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn readlink(path: *const c_char, into: *mut c_char, size: size_t) -> ssize_t {
    // SAFETY: the program passes a C string and a buffer.
    unsafe { readlinkat(AT_FDCWD, path, into, size) }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn readlinkat(directory: c_int, path: *const c_char, into: *mut c_char, size: size_t) -> ssize_t {
    // SAFETY: the program passes a C string.
    unsafe {
        with_path_at(directory, path, |directory, path| {
            next!(
                c"readlinkat",
                fn(c_int, *const c_char, *mut c_char, size_t) -> ssize_t,
                (directory, path, into, size) else -1
            )
        })
    }
}

/// Replaces the function of the C library that checks the size of the buffer.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn __readlink_chk(path: *const c_char, into: *mut c_char, size: size_t, buffer: size_t) -> ssize_t {
    // SAFETY: the program passes a C string and a buffer, of which no more is used than there is.
    unsafe { readlinkat(AT_FDCWD, path, into, size.min(buffer)) }
}

/// Replaces the function of the C library that checks the size of the buffer.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn __readlinkat_chk(
    directory: c_int,
    path: *const c_char,
    into: *mut c_char,
    size: size_t,
    buffer: size_t,
) -> ssize_t {
    // SAFETY: the program passes a C string and a buffer, of which no more is used than there is.
    unsafe { readlinkat(directory, path, into, size.min(buffer)) }
}

/// Removes the part of a path that the program does not know.
///
/// # Safety
/// `path` is null, or a C string that the caller owns.
unsafe fn without_hidden_prefix(path: *mut c_char) -> *mut c_char {
    if path.is_null() {
        return path;
    }
    // SAFETY: the caller ensures it (see "Safety" of this function).
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    let hidden = resolve::hidden_prefix(bytes.split_last().map_or(b"", |(_, path)| path));
    let left = bytes.len() - hidden;
    if hidden > 0 {
        // SAFETY: both ranges are in the string, and may overlap.
        unsafe { std::ptr::copy(path.add(hidden), path, left) };
    }
    path
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn realpath(path: *const c_char, into: *mut c_char) -> *mut c_char {
    type Pointer = *mut c_char;
    // SAFETY: the program passes a C string; the C library returns one.
    unsafe {
        let resolved = with_path(
            path,
            |path| next!(c"realpath", fn(*const c_char, Pointer) -> Pointer, (path, into) else std::ptr::null_mut()),
        );
        without_hidden_prefix(resolved)
    }
}

/// Replaces the function of the C library that checks the size of the buffer.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn __realpath_chk(path: *const c_char, into: *mut c_char, _size: size_t) -> *mut c_char {
    // SAFETY: the same call. The compiler has checked that the buffer has PATH_MAX bytes, or could not tell.
    unsafe { realpath(path, into) }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn canonicalize_file_name(path: *const c_char) -> *mut c_char {
    // SAFETY: the same call.
    unsafe { realpath(path, std::ptr::null_mut()) }
}

/// Changes the current directory, and from a shared directory of the tree to that of the system: a program that goes from
/// `/dev/tape` to `..` is in `/dev`.
fn change_directory(change: impl FnOnce() -> c_int) -> c_int {
    let changed = change();
    if changed == 0
        && let Some(path) = resolve::shared_current_directory()
    {
        next!(c"chdir", fn(*const c_char) -> c_int, (path.as_ptr()) else -1);
    }
    changed
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn chdir(path: *const c_char) -> c_int {
    // SAFETY: the program passes a C string.
    let change = || unsafe { with_path(path, |path| next!(c"chdir", fn(*const c_char) -> c_int, (path) else -1)) };
    // SAFETY: the program passes a C string.
    if unsafe { path_of(path) }.starts_with(b"..") { change_directory(change) } else { change() }
}

/// Replaces the function of the C library.
#[unsafe(no_mangle)]
extern "C" fn fchdir(fd: c_int) -> c_int {
    let change = || next!(c"fchdir", fn(c_int) -> c_int, (fd) else -1);
    if resolve::shared_directory(fd).is_some() { change_directory(change) } else { change() }
}

type Text = *mut c_char;

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(into: Text, size: size_t) -> Text {
    let path = next!(c"getcwd", fn(Text, size_t) -> Text, (into, size) else std::ptr::null_mut());
    // SAFETY: the C library returns a C string, in memory of the program.
    unsafe { without_hidden_prefix(path) }
}

/// Replaces the function of the C library that checks the size of the buffer.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn __getcwd_chk(into: Text, size: size_t, buffer: size_t) -> Text {
    let path = next!(c"__getcwd_chk", fn(Text, size_t, size_t) -> Text, (into, size, buffer) else std::ptr::null_mut());
    // SAFETY: the C library returns a C string, in memory of the program.
    unsafe { without_hidden_prefix(path) }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn get_current_dir_name() -> Text {
    let path = next!(c"get_current_dir_name", fn() -> Text, () else std::ptr::null_mut());
    // SAFETY: the C library returns a C string, which the program frees.
    unsafe { without_hidden_prefix(path) }
}
