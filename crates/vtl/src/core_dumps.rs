//! Core dumps: they would hold what hosts write, CHAP secrets, and copies of keys.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps the system from dumping this process, and users other than root from looking into it with a debugger.
pub fn disable() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
}
