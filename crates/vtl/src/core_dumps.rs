//! Disables core dumps: they would contain host data, CHAP secrets and encryption keys.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Prevents core dumps of this process, and debugger access by users other than root.
pub fn disable() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "cannot disable core dumps");
    }
}
