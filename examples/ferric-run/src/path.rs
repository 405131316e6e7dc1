//! Which paths belong to `ferric run`, and where its files for them are.

use std::ffi::CStr;

/// Longest path with its final NUL, PATH_MAX of Linux.
pub(crate) const MAX_PATH: usize = 4096;

/// A path that ends with NUL, without memory from the heap.
pub(crate) struct PathBuffer {
    bytes: [u8; MAX_PATH],
    len: usize,
}

impl PathBuffer {
    /// Joins the parts; `None` if the path would be too long.
    pub(crate) fn concat(parts: [&[u8]; 2]) -> Option<Self> {
        let mut path = Self { bytes: [0; MAX_PATH], len: 0 };
        for part in parts {
            let end = path.len.checked_add(part.len()).filter(|end| *end < MAX_PATH)?;
            path.bytes.get_mut(path.len..end)?.copy_from_slice(part);
            path.len = end;
        }
        Some(path)
    }

    /// A path that a function writes into memory, whose length it returns; `None` if it has none.
    pub(crate) fn filled(fill: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Self> {
        let mut path = Self { bytes: [0; MAX_PATH], len: 0 };
        path.len = fill(path.bytes.get_mut(..MAX_PATH - 1)?)?;
        Some(path)
    }

    /// The path that a relative path means in a directory. `directory` has no symbolic links, so each `..` at the beginning
    /// removes its last name.
    pub(crate) fn join(directory: &[u8], relative: &[u8]) -> Option<Self> {
        let (mut directory, mut rest) = (directory, relative);
        loop {
            rest = match rest {
                b"." | b".." | [b'.', b'/', ..] | [b'.', b'.', b'/', ..] => {
                    let (name, after) = split_first(rest);
                    if name == b".." {
                        directory = parent(directory);
                    }
                    after
                }
                [b'/', after @ ..] => after,
                _ => break,
            };
        }
        let directory = directory.strip_suffix(b"/").unwrap_or(directory);
        match rest {
            [] if directory.is_empty() => Self::concat([b"/", b""]),
            [] => Self::concat([directory, b""]),
            _ => Self::concat([Self::concat([directory, b"/"])?.bytes(), rest]),
        }
    }

    /// The path without its final NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The path as a C string.
    pub(crate) fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// The first name of a relative path, and what follows its slash.
fn split_first(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
    let (name, rest) = path.split_at_checked(end).unwrap_or((path, b""));
    (name, rest.strip_prefix(b"/").unwrap_or_default())
}

/// The directory of a path, without a slash at its end.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..end).unwrap_or_default()
}

/// Prefixes of the names of device nodes; a digit follows.
const NODES: [&[u8]; 4] = [b"nst", b"sg", b"st", b"sch"];
/// Directories that only have devices of `ferric run`.
const DIRECTORIES: [&[u8]; 10] = [
    b"/dev/tape",
    b"/dev/bsg",
    b"/sys/bus/scsi",
    b"/sys/class/bsg",
    b"/sys/class/scsi_changer",
    b"/sys/class/scsi_device",
    b"/sys/class/scsi_generic",
    b"/sys/class/scsi_host",
    b"/sys/class/scsi_tape",
    b"/proc/scsi",
];
/// Begin of the paths of the devices below `/sys/devices`.
const DEVICES: &[u8] = b"/sys/devices/platform/ferric";

/// Directories that have entries of `ferric run` beside those of the system. Their listing has both.
pub(crate) const SHARED_DIRECTORIES: [&CStr; 6] =
    [c"/dev", c"/dev/bsg", c"/sys/class", c"/sys/bus", c"/sys/devices/platform", c"/proc"];
/// Begins of the names that udev gives to the links of `/dev/tape`, and of the directories of `/sys` and `/proc`.
const LINKS: [&[u8]; 3] = [b"scsi", b"platform-ferric", b"ferric"];

/// Whether `ferric run` has its own file for this absolute path. Most paths are decided by their first bytes.
pub(crate) fn belongs_to_tree(path: &[u8]) -> bool {
    is_of_system(path) && (is_below_dev(path) || is_below(path) || path.starts_with(DEVICES))
}

/// Whether a path begins with `/dev`, `/sys` or `/pro`.
pub(crate) fn is_of_system(path: &[u8]) -> bool {
    let [b'/', b'd' | b's' | b'p', second, third, ..] = path else { return false };
    matches!([*second, *third], [b'e', b'v'] | [b'y', b's'] | [b'r', b'o'])
}

/// A device node, with all modes of a tape: `/dev/nst0a`.
fn is_below_dev(path: &[u8]) -> bool {
    let Some(name) = path.strip_prefix(b"/dev/") else { return false };
    is_node(name.iter().position(|byte| *byte != b'/').and_then(|start| name.get(start..)).unwrap_or_default())
}

fn is_node(name: &[u8]) -> bool {
    NODES.iter().any(|prefix| matches!(name.strip_prefix(*prefix), Some([b'0'..=b'9', ..])))
}

fn is_below(path: &[u8]) -> bool {
    DIRECTORIES.iter().any(|directory| matches!(path.strip_prefix(*directory), Some([] | [b'/', ..])))
}

/// Whether a relative path can lead to a file of `ferric run`: it has the name of one. Then the directory decides.
pub(crate) fn may_belong_to_tree(relative: &[u8]) -> bool {
    relative.split(|byte| *byte == b'/').any(|name| match name {
        [b'n' | b's' | b't' | b'b' | b'p' | b'f', ..] => {
            is_node(name) || name == b"tape" || name == b"bsg" || LINKS.iter().any(|begin| name.starts_with(begin))
        }
        // SCSI addresses in `/dev/bsg`.
        [b'0'..=b'9', ..] => name.contains(&b':'),
        _ => false,
    })
}

/// The path of a file of `ferric run` below its tree, in the form that programs use; `None` for any other path.
pub(crate) fn outside<'a>(tree: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    path.strip_prefix(tree).filter(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_of_devices() {
        for path in [
            "/dev/nst0",
            "/dev/st12",
            "/dev/nst0a",
            "/dev/sg3",
            "/dev/sch0",
            "/dev//nst0",
            "/dev/tape",
            "/dev/tape/by-id/x",
            "/dev/bsg",
            "/dev/bsg/0:0:0:1",
            "/sys/class/scsi_tape",
            "/sys/class/scsi_tape/nst0/dev",
            "/sys/bus/scsi/devices",
            "/sys/devices/platform/ferric/host0",
            "/proc/scsi",
            "/proc/scsi/scsi",
        ] {
            assert!(belongs_to_tree(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "/",
            "/dev",
            "/dev/",
            "/dev/null",
            "/dev/nst",
            "/dev/sgx",
            "/dev/stdin",
            "/dev/stderr",
            "/dev/tapes",
            "/dev/sda",
            "/sys/class/scsi_tapes",
            "/sys/class",
            "/sys/bus/scsix",
            "/proc/scsix",
            "/proc/self",
            "/tmp/dev/nst0",
            "dev/nst0",
            "/devnst0",
            "nst0",
        ] {
            assert!(!belongs_to_tree(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn relative_paths_that_have_the_name_of_a_device() {
        for path in [
            "nst0",
            "./nst0",
            "../dev/sg1",
            "dev/sch0",
            "tape/by-id",
            "bsg",
            "0:0:0:1",
            "scsi_tape",
            "scsi-3500",
            "x/ferric",
        ] {
            assert!(may_belong_to_tree(path.as_bytes()), "{path}");
        }
        for path in
            ["", ".", "..", "null", "st", "nst", "sgml", "src/tapes", "file.0", "12", "nfs0", "state", "platform"]
        {
            assert!(!may_belong_to_tree(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn relative_paths_are_joined_to_a_directory() {
        for (directory, relative, joined) in [
            ("/dev", "nst0", "/dev/nst0"),
            ("/dev", "./nst0", "/dev/nst0"),
            ("/dev", ".//./nst0", "/dev/nst0"),
            ("/dev/tape/by-id", "../../nst0", "/dev/nst0"),
            ("/", "dev/nst0", "/dev/nst0"),
            ("/dev", "../../../dev/nst0", "/dev/nst0"),
            ("/dev/tape", "..", "/dev"),
            ("/dev", "..", "/"),
            ("/dev", ".", "/dev"),
            ("/dev", "", "/dev"),
            // Behind a name, it may be a symbolic link.
            ("/dev", "tape/../nst0", "/dev/tape/../nst0"),
            ("/dev", "..x/y", "/dev/..x/y"),
        ] {
            let path = PathBuffer::join(directory.as_bytes(), relative.as_bytes()).unwrap();
            assert_eq!(path.c_str().to_str(), Ok(joined), "{directory} {relative}");
        }
    }

    #[test]
    fn long_paths_are_refused() {
        let name = [b'n'; 4090];
        assert_eq!(PathBuffer::concat([b"/dev/", &name]).unwrap().bytes().len(), 4095);
        assert!(PathBuffer::concat([b"/dev/n", &name]).is_none());
        assert!(PathBuffer::join(b"/dev/", &name).is_some());
        assert!(PathBuffer::join(b"/dev/n", &name).is_none());
        assert_eq!(PathBuffer::filled(|bytes| Some(bytes.len())).unwrap().bytes().len(), 4095);
    }

    #[test]
    fn paths_of_the_tree_without_it() {
        assert_eq!(outside(b"/tmp/f/root", b"/tmp/f/root/dev/nst0"), Some(&b"/dev/nst0"[..]));
        assert_eq!(outside(b"/tmp/f/root", b"/tmp/f/roots/dev"), None);
        assert_eq!(outside(b"/tmp/f/root", b"/tmp/f/root"), None);
    }
}
