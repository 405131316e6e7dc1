//! The common parts of the command lines of Ferric's programs: the search for the data directory, temporary directories,
//! completion scripts, man pages, links, options of traces, shelves on object storage, and checks of help texts. Scripts, pages and checks come from the clap
//! definition of a program.

pub mod completion;
pub mod data_dir;
pub mod help;
pub mod links;
pub mod man;
#[cfg(feature = "shelf")]
pub mod shelf;
pub mod temporary_dir;
pub mod trace;

/// Columns of help texts on a terminal that is wider, and in snapshots.
pub const HELP_WIDTH: usize = 100;
