//! Mode pages of a changer. Which pages exist depends on the model; their contents come from the library.

pub(crate) mod addresses_1d;
pub(crate) mod capabilities_1f;
pub(crate) mod geometry_1e;

use crate::device::ChangerState;
use scsi_core::mode::{ModePageDef, PageControl, PageId, control_0a, disconnect_02, informational_exceptions_1c};

/// Pages of StorageTek libraries and the IBM TS3100.
pub(crate) const STANDARD: &[ModePageDef] = &[
    disconnect_02::PAGE,
    control_0a::PAGE,
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    addresses_1d::PAGE,
    geometry_1e::PAGE,
    capabilities_1f::PAGE,
];

/// Pages of the IBM TS3500, with a short page 1Fh.
pub(crate) const SHORT: &[ModePageDef] =
    &[informational_exceptions_1c::TAPE_ALERT_PAGE, addresses_1d::PAGE, geometry_1e::PAGE, capabilities_1f::SHORT];

/// Pages of an HP MSL as captured: DEXCPT and LOGERR set, no page 0Ah, PS on page 1Dh only.
pub(crate) const HP: &[ModePageDef] = &[
    ModePageDef::new(
        informational_exceptions_1c::ID,
        &[0x1c, 0x0a, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        informational_exceptions_1c::TAPE_ALERT_PAGE.changeable,
    ),
    addresses_1d::PAGE.saveable(),
    geometry_1e::PAGE,
    capabilities_1f::PAGE,
];

/// Pages of Spectra libraries.
pub(crate) const SPECTRA: &[ModePageDef] = &[addresses_1d::PAGE, geometry_1e::PAGE, capabilities_1f::SHORT];

/// Page 1Ch of the Scalar libraries.
const SCALAR_EXCEPTIONS: ModePageDef = ModePageDef::new(
    informational_exceptions_1c::ID,
    &[0x1c, 0x0a, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    informational_exceptions_1c::PAGE.changeable,
);

/// Pages of the Scalar i500: MODE SELECT changes nothing.
pub(crate) const ADIC: &[ModePageDef] =
    &[SCALAR_EXCEPTIONS, addresses_1d::PAGE, geometry_1e::PAGE, capabilities_1f::SHORT];

/// Pages of the Scalar i3 and i6: those of the i500, with a long page 1Fh.
pub(crate) const SCALAR: &[ModePageDef] =
    &[SCALAR_EXCEPTIONS, addresses_1d::PAGE, geometry_1e::PAGE, capabilities_1f::PAGE];

/// Pages of the SL500 without those of Fibre Channel: page 1Dh can be saved.
pub(crate) const SL500: &[ModePageDef] = &[
    informational_exceptions_1c::TAPE_ALERT_PAGE,
    addresses_1d::PAGE.saveable(),
    geometry_1e::PAGE,
    capabilities_1f::PAGE,
];

/// Pages of the SL150 without those of its interface.
pub(crate) const SL150: &[ModePageDef] =
    &[informational_exceptions_1c::TAPE_ALERT_PAGE, addresses_1d::PAGE, geometry_1e::PAGE, capabilities_1f::PAGE];

/// Writes current values over the stored ones. Hosts cannot change them, so they are also the default and saved values.
pub(crate) fn render(state: &ChangerState, id: PageId, control: PageControl, page: &mut [u8]) {
    if control == PageControl::Changeable {
        return;
    }
    match id {
        addresses_1d::ID => addresses_1d::render(state.library.layout(), page),
        capabilities_1f::ID => state.profile.capabilities.limited_to(state.library.layout()).render(page),
        _ => {}
    }
}
