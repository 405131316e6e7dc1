//! Mode pages of a drive. Each file has the page's constants and, where it shows state, its rendering.

pub(crate) mod compression_0f;
pub(crate) mod config_10;
pub(crate) mod error_recovery_01;
pub(crate) mod partition_11;

use crate::device::State;
use scsi_core::mode::{PageControl, PageDef, PageId, control_0a, disconnect_02, exceptions_1c};

/// Pages of an LTO drive, ascending.
pub(crate) const LTO_PAGES: &[PageDef] = &[
    error_recovery_01::PAGE,
    disconnect_02::PAGE,
    control_0a::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    partition_11::PAGE,
    exceptions_1c::PAGE,
];

/// Writes live values over the stored ones.
pub(crate) fn render(state: &State, id: PageId, control: PageControl, page: &mut [u8]) {
    if control != PageControl::Current {
        return;
    }
    match id {
        config_10::ID => config_10::render(state, page),
        partition_11::ID => partition_11::render(state, page),
        _ => {}
    }
}
