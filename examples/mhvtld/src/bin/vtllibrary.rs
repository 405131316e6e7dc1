//! `vtllibrary`: serves one library whose drives are served by other processes, with mhvtl's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    mhvtld::library_daemon::main()
}
