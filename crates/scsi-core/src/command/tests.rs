//! The commands of SPC on a test unit, as scripts with literal bytes ([`crate::test_unit`] has their format).

mod admission;
mod buffers;
mod diagnostics;
mod identification;
mod log;
mod mode;
mod overrides;
mod persistent_reserve;
mod reservation_conflicts;
mod reserve;
mod supported_functions;
