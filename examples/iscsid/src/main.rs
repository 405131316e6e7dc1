//! `ferric-iscsid`: serves tape libraries over iSCSI.

use std::process::ExitCode;

fn main() -> ExitCode {
    iscsid::daemon::main()
}
