//! Which file a path of the program means: one of `ferric run`, or its own. Absolute paths are decided by their first
//! bytes. A relative path is looked at only if it has the name of a device in it; a path that leads nowhere, if it is a
//! symbolic link to a device, or relative to a directory of `ferric run`.

use crate::path::{PathBuffer, SHARED_DIRECTORIES, belongs_to_tree, may_belong_to_tree, outside, parent};
use crate::sys::kernel;
use crate::sys::run::run;
use libc::AT_FDCWD;
use std::ffi::CStr;

/// Longest text of a symbolic link that is followed.
const MAX_LINK: usize = 255;
/// Most symbolic links that are followed.
const MAX_LINKS: usize = 8;

/// The file of `ferric run` for a path in a directory (a descriptor, or AT_FDCWD); `None` for a path of the program.
pub(crate) fn in_tree(directory: i32, path: &[u8]) -> Option<PathBuffer> {
    if path.first() == Some(&b'/') {
        return tree_file(path);
    }
    if !may_belong_to_tree(path) {
        return None;
    }
    tree_file(absolute(directory, path)?.bytes())
}

fn tree_file(path: &[u8]) -> Option<PathBuffer> {
    if !belongs_to_tree(path) {
        return None;
    }
    PathBuffer::concat([run()?.tree(), path])
}

/// The file that a path means which the kernel has not found: a symbolic link of the program to a device, or a file beside
/// a directory of `ferric run` in which the path begins.
#[cold]
pub(crate) fn of_missing(directory: i32, path: &[u8]) -> Option<PathBuffer> {
    run()?;
    if let Some(target) = link_to_device(directory, path) {
        return Some(target);
    }
    match path.first() {
        None | Some(b'/') => None,
        _ if is_in_tree(directory) => {
            let path = absolute(directory, path)?;
            tree_file(path.bytes()).or(Some(path))
        }
        _ => None,
    }
}

/// The file of `ferric run` to which a symbolic link of the program leads.
pub(crate) fn link_to_device(directory: i32, path: &[u8]) -> Option<PathBuffer> {
    let mut text = [0; MAX_LINK];
    let mut path = PathBuffer::concat([path, b""])?;
    let mut directory = directory;
    for _ in 0..MAX_LINKS {
        let link = kernel::read_link(directory, path.c_str(), &mut text).filter(|link| link.len() < MAX_LINK)?;
        path = if link.first() == Some(&b'/') {
            PathBuffer::concat([link, b""])?
        } else {
            let of_link = if path.bytes().first() == Some(&b'/') { path } else { absolute(directory, path.bytes())? };
            PathBuffer::join(parent(of_link.bytes()), link)?
        };
        directory = AT_FDCWD;
        if let Some(file) = tree_file(path.bytes()) {
            return Some(file);
        }
    }
    None
}

fn absolute(directory: i32, relative: &[u8]) -> Option<PathBuffer> {
    let base = directory_path(directory)?;
    PathBuffer::join(shown(base.bytes()), relative)
}

fn is_in_tree(directory: i32) -> bool {
    directory_path(directory).is_some_and(|path| hidden_prefix(path.bytes()) > 0)
}

/// The path of a directory as the kernel sees it.
fn directory_path(directory: i32) -> Option<PathBuffer> {
    if directory == AT_FDCWD {
        return PathBuffer::filled(kernel::current_directory);
    }
    match shared_directory(directory) {
        Some(shared) => PathBuffer::concat([shared.to_bytes(), b""]),
        None => PathBuffer::filled(|bytes| kernel::path_of_descriptor(directory, bytes)),
    }
}

/// The shared directory that a descriptor is: that of the system, or the part of it in the tree.
pub(crate) fn shared_directory(fd: i32) -> Option<&'static CStr> {
    let found = kernel::identity(fd)?;
    let run = run()?;
    SHARED_DIRECTORIES
        .into_iter()
        .zip(run.shared())
        .find_map(|(path, known)| known.contains(&Some(found)).then_some(path))
}

/// The path of the current directory, if it is in the tree and a shared directory.
pub(crate) fn shared_current_directory() -> Option<&'static CStr> {
    let path = directory_path(AT_FDCWD)?;
    let is_current = |shared: &&CStr| hidden_prefix(path.bytes()) > 0 && shown(path.bytes()) == shared.to_bytes();
    SHARED_DIRECTORIES.into_iter().find(is_current)
}

/// The path without the path of the tree, which programs do not know.
pub(crate) fn shown(path: &[u8]) -> &[u8] {
    path.get(hidden_prefix(path)..).unwrap_or_default()
}

/// Length of the part of a path that the program does not know: the path of the tree; 0 for any other path.
pub(crate) fn hidden_prefix(path: &[u8]) -> usize {
    let Some(run) = run() else { return 0 };
    outside(run.tree(), path).map_or(0, |_| run.tree().len())
}
