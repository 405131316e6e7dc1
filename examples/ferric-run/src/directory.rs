//! Paths that the C library returns: programs see the files of `ferric run` under the paths of the devices.

use crate::path;
use crate::sys::run::run;

/// Length of the part of a path that the program does not know: the path of the tree; 0 for any other path.
pub(crate) fn hidden_prefix(path: &[u8]) -> usize {
    let Some(run) = run() else { return 0 };
    path::outside(run.tree(), path).map_or(0, |_| run.tree().len())
}
