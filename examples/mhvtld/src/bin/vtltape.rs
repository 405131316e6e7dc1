//! `vtltape`: serves one drive through mhvtl's kernel module, with mhvtl's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    mhvtld::drive_daemon::main()
}
