//! Functions that open files: `open` and its forms, `fopen`.

use super::kernel::{errno, set_errno};
use super::next::next;
use crate::path::PathBuffer;
use crate::{channel, descriptor, device, resolve};
use libc::{AT_FDCWD, FILE, c_char, c_int, c_uint, c_void};
use linux_scsi::Errno;
use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, Ordering};

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
enum Target {
    /// A path of the program.
    Other,
    /// A file of `ferric run`.
    File(PathBuffer),
    /// A device node, by its device number, and whether the program may open it.
    Device(u32, Result<(), Errno>),
}

fn target(directory: c_int, path: &[u8], flags: c_int) -> Target {
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

/// What a path means that the C library could not open; `errno` has the reason.
fn target_of_missing(directory: c_int, path: &[u8], flags: c_int) -> Target {
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

fn open_device(number: u32, access: Result<(), Errno>, flags: c_int) -> Result<c_int, Errno> {
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
    // SAFETY: as the caller says.
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

/// The functions of a stream that `fopencookie` makes.
#[repr(C)]
struct StreamFunctions {
    read: unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> isize,
    write: unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> isize,
    seek: Option<unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int>,
    close: unsafe extern "C" fn(*mut c_void) -> c_int,
}

unsafe extern "C" {
    fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: StreamFunctions) -> *mut FILE;
}

fn descriptor_of(cookie: *mut c_void) -> c_int {
    c_int::try_from(cookie.addr()).unwrap_or(-1)
}

unsafe extern "C" fn stream_read(cookie: *mut c_void, buffer: *mut c_char, size: usize) -> isize {
    // SAFETY: the C library passes its buffer.
    unsafe { super::descriptors::read(descriptor_of(cookie), buffer.cast(), size) }
}

unsafe extern "C" fn stream_write(cookie: *mut c_void, buffer: *const c_char, size: usize) -> isize {
    // SAFETY: the C library passes its buffer. `fopencookie` wants 0 for an error.
    unsafe { super::descriptors::write(descriptor_of(cookie), buffer.cast(), size) }.max(0)
}

unsafe extern "C" fn stream_close(cookie: *mut c_void) -> c_int {
    super::descriptors::close(descriptor_of(cookie))
}

/// A stream of a device, in whose calls the C library uses the functions of this library: its own streams use the kernel
/// directly.
fn stream(fd: c_int, mode: *const c_char) -> *mut FILE {
    let functions = StreamFunctions { read: stream_read, write: stream_write, seek: None, close: stream_close };
    let cookie = std::ptr::without_provenance_mut(usize::try_from(fd).unwrap_or(usize::MAX));
    // SAFETY: the mode is that of the program, and the functions take the descriptor as their cookie.
    unsafe { fopencookie(cookie, mode, functions) }
}

unsafe extern "C" {
    static mut stdin: *mut FILE;
}

/// The stream that replaces `stdin`; null if standard input is no device.
static STANDARD_INPUT: AtomicPtr<FILE> = AtomicPtr::new(std::ptr::null_mut());

/// If standard input is a device, replaces the stream `stdin`: its reads would go to the kernel directly. The streams
/// `stdout` and `stderr` need no replacement, because the door takes messages without a request for data.
pub(super) fn replace_standard_input() {
    if descriptor::description(0).is_some() {
        let replacement = stream(0, c"r".as_ptr());
        if !replacement.is_null() {
            STANDARD_INPUT.store(replacement, Ordering::Relaxed);
            // SAFETY: this runs before `main`, with one thread.
            unsafe { stdin = replacement };
        }
    }
}

/// Defines both forms of `fileno`.
macro_rules! define_fileno {
    ($($name:ident $next:literal),*) => {$(
        /// Replaces the function of the C library: the stream that replaces `stdin` has the descriptor 0.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(stream: *mut FILE) -> c_int {
            type Pointer = *mut FILE;
            if !stream.is_null() && stream == STANDARD_INPUT.load(Ordering::Relaxed) {
                return 0;
            }
            next!($next, fn(Pointer) -> c_int, (stream) else -1)
        }
    )*};
}

define_fileno! { fileno c"fileno", fileno_unlocked c"fileno_unlocked" }

fn flags_of(mode: &[u8]) -> c_int {
    let access = match mode.contains(&b'+') {
        true => libc::O_RDWR,
        false if mode.starts_with(b"r") => libc::O_RDONLY,
        false => libc::O_WRONLY,
    };
    let access = if mode.starts_with(b"r") { access } else { access | libc::O_CREAT };
    if mode.contains(&b'e') { access | libc::O_CLOEXEC } else { access }
}

/// Defines both forms of `fopen`.
macro_rules! define_fopen {
    ($($name:ident $next:literal),*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char) -> *mut FILE {
            type Pointer = *mut FILE;
            // SAFETY: the program passes C strings.
            let (name, flags) = unsafe { (path_of(path), flags_of(path_of(mode))) };
            let open = |path: *const c_char| -> Pointer {
                next!($next, fn(*const c_char, *const c_char) -> Pointer, (path, mode) else std::ptr::null_mut())
            };
            let open_target = |target| match target {
                Target::Other => None,
                Target::File(file) => Some(open(file.c_str().as_ptr())),
                Target::Device(number, access) => Some(match result(open_device(number, access, flags)) {
                    -1 => std::ptr::null_mut(),
                    fd => stream(fd, mode),
                }),
            };
            open_target(target(AT_FDCWD, name, flags)).unwrap_or_else(|| {
                let opened = open(path);
                let missing = || target_of_missing(AT_FDCWD, name, flags);
                if opened.is_null() { open_target(missing()).unwrap_or(opened) } else { opened }
            })
        }
    )*};
}

define_fopen! { fopen c"fopen64", fopen64 c"fopen64" }
