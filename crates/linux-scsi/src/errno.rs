//! Error numbers of Linux' system calls.

use scsi_core::named_values;

named_values! {
    /// An error number of Linux on x86-64 and AArch64, as in `errno(3)`. Always positive.
    pub struct Errno(u16);
    EPERM = 1, "EPERM";
    ENOENT = 2, "ENOENT";
    EINTR = 4, "EINTR";
    EIO = 5, "EIO";
    ENXIO = 6, "ENXIO";
    EBADF = 9, "EBADF";
    EAGAIN = 11, "EAGAIN";
    ENOMEM = 12, "ENOMEM";
    EACCES = 13, "EACCES";
    EFAULT = 14, "EFAULT";
    EBUSY = 16, "EBUSY";
    EEXIST = 17, "EEXIST";
    ENODEV = 19, "ENODEV";
    ENOTDIR = 20, "ENOTDIR";
    EINVAL = 22, "EINVAL";
    ENFILE = 23, "ENFILE";
    EMFILE = 24, "EMFILE";
    ENOTTY = 25, "ENOTTY";
    ENOSPC = 28, "ENOSPC";
    EROFS = 30, "EROFS";
    ENOSYS = 38, "ENOSYS";
    EBADE = 52, "EBADE";
    EXFULL = 54, "EXFULL";
    EBADSLT = 57, "EBADSLT";
    EOVERFLOW = 75, "EOVERFLOW";
    EMSGSIZE = 90, "EMSGSIZE";
    EOPNOTSUPP = 95, "EOPNOTSUPP";
    ECONNRESET = 104, "ECONNRESET";
    ENOMEDIUM = 123, "ENOMEDIUM";
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl core::error::Error for Errno {}
