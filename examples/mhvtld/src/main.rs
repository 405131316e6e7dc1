//! `ferric-mhvtld`: serves all libraries and drives of an mhvtl configuration through its kernel module.

use std::process::ExitCode;

fn main() -> ExitCode {
    mhvtld::site_daemon::main()
}
