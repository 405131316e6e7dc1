//! `stat` and its forms.

use super::kernel;
use super::next::next;
use super::open::path_of;
use super::run::run;
use crate::{descriptor, device, resolve};
use libc::{AT_FDCWD, c_char, c_int, c_uint, stat64 as Stat, statx as ExtendedStat};
use linux_scsi::Errno;

/// Mode of a device node, as udev sets it.
const DEVICE_MODE: u32 = libc::S_IFCHR | 0o660;

/// Replaces what the kernel says about the file that stands for a device node.
///
/// # Safety
/// `stat` is the argument of a successful call of the C library.
unsafe fn describe(result: c_int, stat: *mut Stat) -> c_int {
    if result == 0 {
        // SAFETY: the C library has written the structure.
        let stat = unsafe { &mut *stat };
        if run().is_some_and(|run| device::is_node(run, stat.st_dev, stat.st_mode)) {
            stat.st_mode = DEVICE_MODE;
            stat.st_rdev = stat.st_size.cast_unsigned();
            stat.st_size = 0;
            stat.st_blocks = 0;
        }
    }
    result
}

/// Describes a descriptor, which may be an open device.
///
/// # Safety
/// As for `fstat`.
unsafe fn describe_descriptor(fd: c_int, result: c_int, stat: *mut Stat) -> c_int {
    if result == 0
        && let (Some(Ok(channel)), Some(run)) = (descriptor::channel(fd), run())
    {
        // SAFETY: the C library has written the structure.
        let stat = unsafe { &mut *stat };
        stat.st_dev = run.device;
        stat.st_ino = channel.node();
        stat.st_mode = DEVICE_MODE;
        (stat.st_uid, stat.st_gid) = (run.uid, run.gid);
        stat.st_rdev = channel.device().into();
        stat.st_blksize = 4096;
        return 0;
    }
    // SAFETY: the caller ensures it (see "Safety" of this function).
    unsafe { describe(result, stat) }
}

/// The result of a function of the C library.
pub(super) trait Returned {
    /// Whether it is an error, which is in `errno`.
    fn is_error(&self) -> bool;
}

impl Returned for c_int {
    fn is_error(&self) -> bool {
        *self == -1
    }
}

impl Returned for isize {
    fn is_error(&self) -> bool {
        *self == -1
    }
}

impl<T> Returned for *mut T {
    fn is_error(&self) -> bool {
        self.is_null()
    }
}

/// Calls a function on the path that the program's path means.
///
/// # Safety
/// `path` is null or a C string.
pub(super) unsafe fn with_path<T: Returned>(path: *const c_char, call: impl Fn(*const c_char) -> T) -> T {
    // SAFETY: the caller ensures it (see "Safety" of this function).
    unsafe { with_path_at(AT_FDCWD, path, |_, path| call(path)) }
}

/// Calls a function on a path of the tree, or on the program's path in its directory.
///
/// # Safety
/// `path` is null or a C string.
pub(super) unsafe fn with_path_at<T: Returned>(
    directory: c_int,
    path: *const c_char,
    call: impl Fn(c_int, *const c_char) -> T,
) -> T {
    // SAFETY: the caller ensures it (see "Safety" of this function).
    let bytes = unsafe { path_of(path) };
    if let Some(file) = resolve::in_tree(directory, bytes) {
        return call(AT_FDCWD, file.c_str().as_ptr());
    }
    let result = call(directory, path);
    if !result.is_error() || kernel::errno() != Errno::ENOENT {
        return result;
    }
    match resolve::of_missing(directory, bytes) {
        Some(file) => call(AT_FDCWD, file.c_str().as_ptr()),
        None => {
            kernel::set_errno(Errno::ENOENT);
            result
        }
    }
}

/// Defines functions of a path. The structures of both sizes of `off_t` are equal on machines with 64 bits. The older
/// forms have the version of the structure as their first argument.
macro_rules! define_stat {
    ($($name:ident $next:literal),*; $($old:ident $old_next:literal),*) => {
        $(
            /// Replaces the function of the C library.
            ///
            /// # Safety
            /// As for the function of the C library.
            #[unsafe(no_mangle)]
            pub(super) unsafe extern "C" fn $name(path: *const c_char, stat: *mut Stat) -> c_int {
                // SAFETY: the program passes a C string and a structure.
                unsafe {
                    let result = with_path(path, |path| {
                        next!($next, fn(*const c_char, *mut Stat) -> c_int, (path, stat) else -1)
                    });
                    describe(result, stat)
                }
            }
        )*
        $(
            /// Replaces the function of the C library.
            ///
            /// # Safety
            /// As for the function of the C library.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $old(version: c_int, path: *const c_char, stat: *mut Stat) -> c_int {
                // SAFETY: the program passes a C string and a structure.
                unsafe {
                    let result = with_path(path, |path| {
                        next!($old_next, fn(c_int, *const c_char, *mut Stat) -> c_int, (version, path, stat) else -1)
                    });
                    describe(result, stat)
                }
            }
        )*
    };
}

define_stat! {
    stat c"stat64", stat64 c"stat64", lstat c"lstat64", lstat64 c"lstat64";
    __xstat c"__xstat64", __xstat64 c"__xstat64", __lxstat c"__lxstat64", __lxstat64 c"__lxstat64"
}

/// Defines functions of a descriptor.
macro_rules! define_fstat {
    ($($name:ident)*; $($old:ident)*) => {
        $(
            /// Replaces the function of the C library.
            ///
            /// # Safety
            /// As for the function of the C library.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(fd: c_int, stat: *mut Stat) -> c_int {
                let result = next!(c"fstat64", fn(c_int, *mut Stat) -> c_int, (fd, stat) else -1);
                // SAFETY: the program passes a structure.
                unsafe { describe_descriptor(fd, result, stat) }
            }
        )*
        $(
            /// Replaces the function of the C library.
            ///
            /// # Safety
            /// As for the function of the C library.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $old(version: c_int, fd: c_int, stat: *mut Stat) -> c_int {
                let result = next!(c"__fxstat64", fn(c_int, c_int, *mut Stat) -> c_int, (version, fd, stat) else -1);
                // SAFETY: the program passes a structure.
                unsafe { describe_descriptor(fd, result, stat) }
            }
        )*
    };
}

define_fstat! { fstat fstat64; __fxstat __fxstat64 }

/// Whether the call is about the descriptor itself.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn is_about_descriptor(path: *const c_char, flags: c_int) -> bool {
    // SAFETY: the caller ensures it (see "Safety" of this function).
    flags & libc::AT_EMPTY_PATH != 0 && unsafe { path_of(path) }.is_empty()
}

/// Defines functions of a path in a directory.
macro_rules! define_fstatat {
    ($($name:ident)*; $($old:ident)*) => {
        $(
            /// Replaces the function of the C library.
            ///
            /// # Safety
            /// As for the function of the C library.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(directory: c_int, path: *const c_char, stat: *mut Stat, flags: c_int) -> c_int {
                // SAFETY: the program passes a C string and a structure.
                unsafe {
                    let result = with_path_at(directory, path, |directory, path| {
                        next!(
                            c"fstatat64",
                            fn(c_int, *const c_char, *mut Stat, c_int) -> c_int,
                            (directory, path, stat, flags) else -1
                        )
                    });
                    if is_about_descriptor(path, flags) {
                        return describe_descriptor(directory, result, stat);
                    }
                    describe(result, stat)
                }
            }
        )*
        $(
            /// Replaces the function of the C library.
            ///
            /// # Safety
            /// As for the function of the C library.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $old(
                version: c_int,
                directory: c_int,
                path: *const c_char,
                stat: *mut Stat,
                flags: c_int,
            ) -> c_int {
                // SAFETY: the program passes a C string and a structure.
                unsafe {
                    let result = with_path_at(directory, path, |directory, path| {
                        next!(
                            c"__fxstatat64",
                            fn(c_int, c_int, *const c_char, *mut Stat, c_int) -> c_int,
                            (version, directory, path, stat, flags) else -1
                        )
                    });
                    if is_about_descriptor(path, flags) {
                        return describe_descriptor(directory, result, stat);
                    }
                    describe(result, stat)
                }
            }
        )*
    };
}

define_fstatat! { fstatat fstatat64; __fxstatat __fxstatat64 }

/// Replaces what `statx` says about a device node.
fn describe_extended(stat: &mut ExtendedStat, device: u64) {
    stat.stx_mode = u16::try_from(DEVICE_MODE).unwrap_or_default();
    (stat.stx_rdev_major, stat.stx_rdev_minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    (stat.stx_size, stat.stx_blocks) = (0, 0);
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn statx(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    into: *mut ExtendedStat,
) -> c_int {
    // SAFETY: the program passes a C string.
    let result = unsafe {
        with_path_at(directory, path, |directory, path| {
            next!(
                c"statx",
                fn(c_int, *const c_char, c_int, c_uint, *mut ExtendedStat) -> c_int,
                (directory, path, flags, mask, into) else -1
            )
        })
    };
    let Some(run) = run().filter(|_| result == 0) else { return result };
    // SAFETY: the C library has written the structure.
    let stat = unsafe { &mut *into };
    // SAFETY: the program passes a C string; null is for the descriptor itself.
    let descriptor =
        unsafe { path.is_null() || is_about_descriptor(path, flags) }.then(|| descriptor::channel(directory));
    if let Some(Some(Ok(channel))) = descriptor {
        stat.stx_ino = channel.node();
        (stat.stx_uid, stat.stx_gid) = (run.uid, run.gid);
        describe_extended(stat, channel.device().into());
        return 0;
    }
    let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    if device::is_node(run, device, stat.stx_mode.into()) {
        describe_extended(stat, stat.stx_size);
    }
    0
}
