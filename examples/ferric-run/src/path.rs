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

    /// The path without its final NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The path as a C string.
    pub(crate) fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// Prefixes of the names of device nodes; a digit follows.
const NODES: [&[u8]; 4] = [b"nst", b"sg", b"st", b"sch"];
/// Directories that only have devices of `ferric run`.
const DIRECTORIES: [&[u8]; 9] = [
    b"/dev/tape",
    b"/dev/bsg",
    b"/sys/bus/scsi",
    b"/sys/class/scsi_changer",
    b"/sys/class/scsi_device",
    b"/sys/class/scsi_generic",
    b"/sys/class/scsi_host",
    b"/sys/class/scsi_tape",
    b"/proc/scsi",
];
/// Begin of the paths of the devices below `/sys/devices`.
const DEVICES: &[u8] = b"/sys/devices/platform/ferric";

/// Whether `ferric run` has its own file for this path. Most paths are decided by their first bytes.
pub(crate) fn belongs_to_tree(path: &[u8]) -> bool {
    let [b'/', b'd' | b's' | b'p', second, third, ..] = path else { return false };
    if !matches!([*second, *third], [b'e', b'v'] | [b'y', b's'] | [b'r', b'o']) {
        return false;
    }
    is_node(path) || is_below(path) || path.starts_with(DEVICES)
}

/// A device node, with all modes of a tape: `/dev/nst0a`.
fn is_node(path: &[u8]) -> bool {
    let Some(name) = path.strip_prefix(b"/dev/") else { return false };
    let name = name.iter().position(|byte| *byte != b'/').and_then(|start| name.get(start..)).unwrap_or_default();
    NODES.iter().any(|prefix| matches!(name.strip_prefix(*prefix), Some([b'0'..=b'9', ..])))
}

fn is_below(path: &[u8]) -> bool {
    DIRECTORIES.iter().any(|directory| matches!(path.strip_prefix(*directory), Some([] | [b'/', ..])))
}

/// Whether a listing of this directory is that of `ferric run`, which has the other entries too.
pub(crate) fn is_merged_directory(path: &[u8]) -> bool {
    matches!(path, b"/dev" | b"/dev/")
}

/// The path of a file of `ferric run` below its tree, in the form that programs use; `None` for any other path.
pub(crate) fn outside<'a>(tree: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    path.strip_prefix(tree).filter(|rest| rest.first() == Some(&b'/'))
}
