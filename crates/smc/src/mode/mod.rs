//! Mode pages of a changer.

pub(crate) mod addresses_1d;
pub(crate) mod capabilities_1f;
pub(crate) mod geometry_1e;

use crate::device::State;
use scsi_core::mode::{PageControl, PageDef, PageId, control_0a, disconnect_02, exceptions_1c};

/// Its pages, ascending.
pub(crate) const PAGES: &[PageDef] = &[
    disconnect_02::PAGE,
    control_0a::PAGE,
    exceptions_1c::PAGE,
    addresses_1d::PAGE,
    geometry_1e::PAGE,
    capabilities_1f::PAGE,
];

/// Writes live values over the stored ones. They cannot be changed, so they are the default and saved ones too.
pub(crate) fn render(state: &State, id: PageId, control: PageControl, page: &mut [u8]) {
    if id == addresses_1d::ID && control != PageControl::Changeable {
        addresses_1d::render(state.library.layout(), page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_consistent_and_ascend() {
        assert!(PAGES.iter().all(PageDef::is_consistent));
        assert!(PAGES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }
}
