//! Streams of the C library (`FILE`) on devices. The C library's own streams call the kernel directly, so a stream of a
//! device is one of `fopencookie`, whose functions are those of this library.
//!
//! A stream that exists when its descriptor becomes a device cannot be changed. `stdin` can be replaced, because programs
//! find it by a variable. Other streams write without a request (the frontend takes such messages), and read the end of the
//! file, with a message.

use super::descriptors;
use super::kernel::{errno, set_errno};
use super::next::next;
use super::open::{Target, open_device, path_of, result, target, target_of_missing};
use super::run::is_vfork_child;
use crate::channel::warn;
use crate::descriptor;
use libc::{AT_FDCWD, FILE, c_char, c_int, c_void};
use linux_scsi::Errno;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

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
    static mut stdin: *mut FILE;
    static _IO_list_all: *mut Header;
    fn _IO_list_lock();
    fn _IO_list_unlock();
}

/// Buffer of a stream, in bytes: `st_blksize` of a device. A stream reads this much in one call.
const BUFFER: usize = 4096;

/// The begin of a `FILE`, as the header of the C library declares it for its macros.
#[repr(C)]
struct Header {
    /// The C library changes it in a stream that another thread uses.
    flags: AtomicI32,
    /// Addresses in the buffer.
    buffer: [usize; 11],
    markers: usize,
    next: *mut Self,
    descriptor: AtomicI32,
    flags2: c_int,
    /// Fields up to the address of the functions of the stream.
    rest: [usize; 12],
    functions: usize,
}

const _: () =
    assert!(core::mem::offset_of!(Header, descriptor) == 112 && core::mem::offset_of!(Header, functions) == 216);

/// Flag of a stream that cannot be read.
const NO_READS: c_int = 4;

/// The descriptor and the buffer of a stream of a device, in memory from `malloc`.
#[repr(C)]
struct Cookie {
    descriptor: c_int,
    buffer: [u8; BUFFER],
}

/// The functions of the streams of this library, as an address in the C library; 0 before the first.
static FUNCTIONS: AtomicUsize = AtomicUsize::new(0);

/// # Safety
/// The cookie is that of a stream of this library.
unsafe fn descriptor_of(cookie: *mut c_void) -> c_int {
    // SAFETY: the stream owns the cookie until it is closed.
    unsafe { (*cookie.cast::<Cookie>()).descriptor }
}

unsafe extern "C" fn stream_read(cookie: *mut c_void, buffer: *mut c_char, size: usize) -> isize {
    // SAFETY: the C library passes its buffer.
    unsafe { descriptors::read(descriptor_of(cookie), buffer.cast(), size) }
}

unsafe extern "C" fn stream_write(cookie: *mut c_void, buffer: *const c_char, size: usize) -> isize {
    // SAFETY: the C library passes its buffer. `fopencookie` expects 0 for an error.
    unsafe { descriptors::write(descriptor_of(cookie), buffer.cast(), size) }.max(0)
}

unsafe extern "C" fn stream_close(cookie: *mut c_void) -> c_int {
    // SAFETY: the C library has flushed the stream, and uses neither its buffer nor its cookie again.
    let fd = unsafe { descriptor_of(cookie) };
    // SAFETY: as before; the cookie is from `malloc`.
    unsafe { libc::free(cookie) };
    descriptors::close(fd)
}

/// A stream of a device, in whose calls the C library uses the functions of this library; null with `errno`.
fn stream(fd: c_int, mode: *const c_char) -> *mut FILE {
    let functions = StreamFunctions { read: stream_read, write: stream_write, seek: None, close: stream_close };
    // SAFETY: the cookie has the size of its type, and all its fields are set before use or only written by the C library.
    // The stream is new, and its header is laid out as declared.
    unsafe {
        let cookie: *mut Cookie = libc::malloc(size_of::<Cookie>()).cast();
        if cookie.is_null() {
            return null_mut();
        }
        (&raw mut (*cookie).descriptor).write(fd);
        let stream = fopencookie(cookie.cast(), mode, functions);
        if stream.is_null() {
            libc::free(cookie.cast());
            return null_mut();
        }
        libc::setvbuf(stream, (&raw mut (*cookie).buffer).cast(), libc::_IOFBF, BUFFER);
        // The number that `fileno` returns.
        let header = stream.cast::<Header>();
        (*header).descriptor.store(fd, Ordering::Relaxed);
        FUNCTIONS.store((*header).functions, Ordering::Relaxed);
        stream
    }
}

/// The stream of a device that was just opened. If it cannot be made, the descriptor is closed.
fn stream_of_new(fd: c_int, mode: *const c_char) -> *mut FILE {
    let stream = stream(fd, mode);
    if stream.is_null() {
        descriptors::close(fd);
        set_errno(Errno::ENOMEM);
    }
    stream
}

/// A descriptor has become a device. A stream that already uses it gets the functions of this library, if it is `stdin`.
pub(crate) fn now_device(fd: c_int) {
    // Between `vfork` and `exec` the variables are those of the parent.
    if is_vfork_child() {
        return;
    }
    // SAFETY: the C library keeps the variable valid; programs that change it while another thread uses it have undefined
    // behaviour by themselves.
    let (input, is_own) = unsafe { (stdin, is_own(stdin.cast())) };
    if fd == 0 {
        if !input.is_null() && !is_own {
            let replacement = stream(0, c"r".as_ptr());
            if !replacement.is_null() {
                // SAFETY: as before.
                unsafe { stdin = replacement };
            }
        }
    } else if fd > 2 && has_reader(fd) {
        warn(
            b"a stream (FILE) has a descriptor that has become a device by dup2: it reads nothing; use fopen or fdopen",
        );
    }
}

/// Whether a stream is one of this library.
///
/// # Safety
/// The stream is null or open.
unsafe fn is_own(stream: *mut Header) -> bool {
    // SAFETY: the caller ensures it (see "Safety" of this function).
    !stream.is_null() && unsafe { (*stream).functions } == FUNCTIONS.load(Ordering::Relaxed)
}

/// Whether a stream of the C library can read from a descriptor.
fn has_reader(fd: c_int) -> bool {
    // SAFETY: with its lock, the list of streams does not change, and all its streams are open.
    unsafe {
        _IO_list_lock();
        let mut stream = _IO_list_all;
        let reads = |stream: *mut Header| {
            let flags = (*stream).flags.load(Ordering::Relaxed);
            (*stream).descriptor.load(Ordering::Relaxed) == fd && flags & NO_READS == 0 && !is_own(stream)
        };
        while !stream.is_null() && !reads(stream) {
            stream = (*stream).next;
        }
        _IO_list_unlock();
        !stream.is_null()
    }
}

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
                next!($next, fn(*const c_char, *const c_char) -> Pointer, (path, mode) else null_mut())
            };
            let open_target = |target| match target {
                Target::Other => None,
                Target::File(file) => Some(open(file.c_str().as_ptr())),
                Target::Device(number, access) => Some(match result(open_device(number, access, flags)) {
                    -1 => null_mut(),
                    fd => stream_of_new(fd, mode),
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

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdopen(fd: c_int, mode: *const c_char) -> *mut FILE {
    type Pointer = *mut FILE;
    let Some(channel) = descriptor::channel(fd) else {
        return next!(c"fdopen", fn(c_int, *const c_char) -> Pointer, (fd, mode) else null_mut());
    };
    // SAFETY: the program passes a C string.
    let wanted = flags_of(unsafe { path_of(mode) }) & libc::O_ACCMODE;
    let allowed = channel.map(|channel| channel.flags().cast_signed() & libc::O_ACCMODE);
    match allowed {
        Ok(allowed) if allowed != libc::O_RDWR && allowed != wanted => set_errno(Errno::EINVAL),
        Ok(_) => return stream(fd, mode),
        Err(error) => set_errno(error),
    }
    null_mut()
}

fn real_freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE {
    type Pointer = *mut FILE;
    next!(c"freopen64", fn(*const c_char, *const c_char, Pointer) -> Pointer, (path, mode, stream) else null_mut())
}

/// Opens a stream again on a device: `dup2` makes it the descriptor of the stream. Returns the stream with which the
/// program can read.
///
/// # Safety
/// The stream is open, and the mode a C string.
unsafe fn reopen_device(fd: c_int, mode: *const c_char, stream_of_program: *mut FILE) -> *mut FILE {
    let old = real_freopen(c"/dev/null".as_ptr(), mode, stream_of_program);
    if old.is_null() {
        descriptors::close(fd);
        return old;
    }
    // SAFETY: the stream is open.
    let number = unsafe { libc::fileno(old) };
    let duplicated = descriptors::dup2(fd, number);
    descriptors::close(fd);
    // SAFETY: the caller ensures it (see "Safety" of this function).
    let reads = flags_of(unsafe { path_of(mode) }) & libc::O_ACCMODE != libc::O_WRONLY;
    match duplicated {
        -1 => null_mut(),
        // SAFETY: `dup2` has replaced the variable.
        0 if reads => unsafe { stdin },
        _ if reads => stream(number, mode),
        _ => old,
    }
}

/// Defines both forms of `freopen`.
macro_rules! define_freopen {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE {
            // SAFETY: the program passes C strings, or a null pointer for the path.
            let (name, flags) = unsafe { (path_of(path), flags_of(path_of(mode))) };
            match target(AT_FDCWD, name, flags) {
                Target::Other => real_freopen(path, mode, stream),
                Target::File(file) => real_freopen(file.c_str().as_ptr(), mode, stream),
                Target::Device(number, access) => match result(open_device(number, access, flags)) {
                    -1 => {
                        let error = errno();
                        // SAFETY: the stream is open; it is closed if it cannot be opened again.
                        unsafe { libc::fclose(stream) };
                        set_errno(error);
                        null_mut()
                    }
                    // SAFETY: the program passes an open stream.
                    fd => unsafe { reopen_device(fd, mode, stream) },
                },
            }
        }
    )*};
}

define_freopen! { freopen freopen64 }
