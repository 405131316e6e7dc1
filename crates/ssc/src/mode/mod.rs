//! Mode pages of a drive, and the settings that they change. Each file of a page has the constants of a page and, if the page shows state, its rendering.

pub(crate) mod compression_0f;
pub(crate) mod config_10;
pub(crate) mod config_extension_1001;
mod control_extension_0a01;
mod encryption_24;
mod error_recovery_01;
mod medium_config_1d;
pub(crate) mod partition_11;
mod power_1a;
pub(crate) mod protection_0af0;
mod state;
mod vendor;

pub(crate) use state::ModeState;

use crate::device::DriveState;
use scsi_core::field::FieldPointer;
use scsi_core::mode::{ModePageDef, PageControl, PageId, control_0a, disconnect_02, informational_exceptions_1c};

/// Pages of IBM's LTO drives since LTO-5, ascending.
pub(crate) const IBM_PAGES: &[ModePageDef] = &[
    error_recovery_01::PAGE,
    disconnect_02::PAGE,
    control_0a::PAGE,
    control_extension_0a01::PAGE,
    protection_0af0::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    config_extension_1001::PAGE,
    partition_11::PAGE,
    vendor::UNIT_18,
    vendor::PORT_19,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
    encryption_24::PAGE,
    vendor::BEHAVIOUR_2F,
];

/// Pages of the LTO drives that HP built itself, ascending.
pub(crate) const HP_PAGES: &[ModePageDef] = &[
    error_recovery_01::HP,
    disconnect_02::PAGE,
    control_0a::PAGE,
    control_extension_0a01::PAGE,
    protection_0af0::PAGE,
    compression_0f::HP,
    config_10::HP,
    config_extension_1001::PAGE,
    partition_11::PAGE,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
];

/// Pages of IBM's LTO-4 drives, ascending.
pub(crate) const IBM_4_PAGES: &[ModePageDef] = &[
    error_recovery_01::PAGE,
    disconnect_02::PAGE,
    control_0a::PAGE,
    control_extension_0a01::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    partition_11::SINGLE_PARTITION,
    vendor::UNIT_18,
    vendor::PORT_19,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
    encryption_24::PAGE,
    vendor::BEHAVIOUR_2F,
];

/// Pages of IBM's LTO drives up to LTO-3, ascending.
pub(crate) const IBM_3_PAGES: &[ModePageDef] = &[
    error_recovery_01::PAGE,
    disconnect_02::PAGE,
    control_0a::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    partition_11::SINGLE_PARTITION,
    vendor::UNIT_18,
    vendor::PORT_19,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
    vendor::BEHAVIOUR_2F,
];

/// Pages of HP's drives up to LTO-4, ascending.
pub(crate) const HP_4_PAGES: &[ModePageDef] = &[
    error_recovery_01::HP,
    disconnect_02::PAGE,
    control_0a::PAGE,
    control_extension_0a01::PAGE,
    compression_0f::HP,
    config_10::HP,
    partition_11::SINGLE_PARTITION,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
];

/// Pages of drives of other families, ascending.
pub(crate) const COMMON_PAGES: &[ModePageDef] = &[
    error_recovery_01::ALL_ZERO,
    disconnect_02::PAGE,
    control_0a::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    partition_11::PAGE,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
];

/// Pages of other drives whose media have one partition, ascending.
pub(crate) const SINGLE_PARTITION_PAGES: &[ModePageDef] = &[
    error_recovery_01::ALL_ZERO,
    disconnect_02::PAGE,
    control_0a::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    partition_11::SINGLE_PARTITION,
    power_1a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    medium_config_1d::PAGE,
];

/// Pages of the oldest drives, ascending.
pub(crate) const SCSI_2_PAGES: &[ModePageDef] = &[
    error_recovery_01::ALL_ZERO,
    disconnect_02::PAGE,
    control_0a::PAGE,
    compression_0f::PAGE,
    config_10::PAGE,
    partition_11::SINGLE_PARTITION,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
];

/// Pages of DLT drives, ascending.
pub(crate) const DLT_PAGES: &[ModePageDef] = &[
    error_recovery_01::ALL_ZERO,
    disconnect_02::PAGE,
    control_0a::PAGE,
    compression_0f::PAGE,
    config_10::DLT,
    partition_11::SINGLE_PARTITION,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
];

/// Builds a page of `N` bytes, including the header. All other bytes are zero.
const fn page<const N: usize>(id: PageId, len: usize, bytes: &[(usize, u8)]) -> [u8; N] {
    assert!(len == N && N >= 2 && N < 0x100 && id.subpage == 0);
    #[expect(clippy::cast_possible_truncation, reason = "asserted above; evaluated at compile time")]
    with_bytes([0; N], [(0, id.page), (1, (N - 2) as u8)].as_slice(), bytes)
}

/// Builds a subpage, as [`page`] builds a page.
const fn subpage<const N: usize>(id: PageId, len: usize, bytes: &[(usize, u8)]) -> [u8; N] {
    assert!(len == N && N >= 4 && N < 0x100 && id.subpage != 0);
    #[expect(clippy::cast_possible_truncation, reason = "asserted above; evaluated at compile time")]
    with_bytes([0; N], [(0, id.page | 0x40), (1, id.subpage), (3, (N - 4) as u8)].as_slice(), bytes)
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: a byte beyond the page does not compile")]
const fn with_bytes<const N: usize>(mut page: [u8; N], header: &[(usize, u8)], bytes: &[(usize, u8)]) -> [u8; N] {
    let mut at = 0;
    while at < header.len() {
        page[header[at].0] = header[at].1;
        at += 1;
    }
    at = 0;
    while at < bytes.len() {
        page[bytes[at].0] = bytes[at].1;
        at += 1;
    }
    page
}

/// Overwrites stored values with live ones.
pub(crate) fn render(state: &DriveState, id: PageId, control: PageControl, page: &mut [u8]) {
    if control != PageControl::Current {
        return;
    }
    match id {
        config_10::ID => config_10::render(&state.media, page),
        partition_11::ID => partition_11::render(&state.media, state.profile.native_media, page),
        medium_config_1d::ID => medium_config_1d::render(&state.media, page),
        encryption_24::ID => encryption_24::render(&state.encryption, page),
        _ => {}
    }
}

/// Checks the values of a page whose changeable bits were checked before.
///
/// # Errors
/// The invalid field.
pub(crate) fn check(state: &DriveState, id: PageId, page: &[u8]) -> Result<(), FieldPointer> {
    match id {
        partition_11::ID => partition_11::check(&state.media, state.profile.native_media, page),
        config_extension_1001::ID => config_extension_1001::check(&state.media, &state.modes, page),
        protection_0af0::ID => protection_0af0::check(state.profile.protection_methods, page),
        informational_exceptions_1c::ID => informational_exceptions_1c::check_page(page),
        _ => Ok(()),
    }
}
