//! `ferric-mhvtl`: mhvtl's command-line tools.

use std::process::ExitCode;

fn main() -> ExitCode {
    mhvtl_tools::program::main()
}
