//! Medium partition mode page, 11h (SSC-5 §8.3.4). Layout as an LTO-6 or later drive returns it: four sizes.

use crate::device::State;
use crate::load::Load;
use scsi_core::mode::{PageDef, PageId};

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x11);

/// POFM set (partitions come with FORMAT MEDIUM), PSUM 11b, MEDIUM FORMAT RECOGNITION 03h, units of 10^9 bytes.
pub(crate) const PAGE: PageDef = PageDef {
    id: ID,
    default: &[0x11, 0x0e, 0, 0, 0x1c, 0x03, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    changeable: &[0x11, 0x0e, 0, 0xff, 0xf8, 0, 0x0f, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    saveable: false,
};

const GB: u64 = 1_000_000_000;
/// FDP, SDP and IDP: who chooses number and sizes. One of them is set in what a host selected.
const CHOSEN: u8 = 0xe0;
const IDP: u8 = 0x20;
/// The rest, shared by all partitions that ask for it.
const REST: u16 = 0xffff;

/// MAXIMUM ADDITIONAL PARTITIONS, and what a host selected for the next FORMAT MEDIUM; else the number and the sizes of
/// the mounted medium.
pub(crate) fn render(state: &State, page: &mut [u8]) {
    let [_, _, most, defined, flags, _, _, _, sizes @ ..] = page else { return };
    if *flags & CHOSEN != 0 {
        *most = most_additional(state);
        return;
    }
    let Load::Mounted(mounted) = &state.load else {
        *most = state.profile.native.partitions - 1;
        return;
    };
    *most = mounted.cartridge.media().partitions - 1;
    *defined = mounted.medium.partitions() - 1;
    for (partition, size) in (0..mounted.medium.partitions()).zip(sizes.chunks_exact_mut(2)) {
        let bytes = mounted.medium.usage(partition).map_or(0, |usage| usage.capacity);
        let units = u16::try_from(bytes.div_ceil(GB)).unwrap_or(u16::MAX);
        size.copy_from_slice(&units.to_be_bytes());
    }
}

fn most_additional(state: &State) -> u8 {
    let media = match &state.load {
        Load::Mounted(mounted) => mounted.cartridge.media(),
        _ => state.profile.native,
    };
    media.partitions - 1
}

/// Checks what a host selects; the byte that is wrong.
pub(crate) fn check(state: &State, page: &[u8]) -> Result<(), usize> {
    let [_, _, _, additional, flags, ..] = page else { return Ok(()) };
    if *additional > most_additional(state) {
        return Err(3);
    }
    if (flags & CHOSEN).count_ones() > 1 {
        return Err(4);
    }
    match &state.load {
        Load::Mounted(mounted) => sizes(page, mounted.cartridge.capacity()).map(drop),
        _ => Ok(()),
    }
}

/// Bytes of each partition that a page asks for, of a cartridge of this capacity; the byte that is wrong.
///
/// Where the drive is to choose (FDP, SDP), partitions share evenly.
pub(crate) fn sizes(page: &[u8], capacity: u64) -> Result<Vec<u64>, usize> {
    let [_, _, _, additional, flags, _, units, _, values @ ..] = page else { return Ok(vec![capacity]) };
    let count = usize::from(*additional) + 1;
    if flags & CHOSEN != IDP {
        return Ok(vec![capacity / count as u64; count]);
    }
    let unit = match (flags >> 3) & 0b11 {
        0 => 1,
        1 => 1000,
        2 => 1_000_000,
        _ => 10_u64.saturating_pow(u32::from(units & 0x0f)),
    };
    let values: Vec<u16> =
        values.as_chunks().0.iter().take(count).map(|bytes: &[u8; 2]| u16::from_be_bytes(*bytes)).collect();
    if let Some(zero) = values.iter().position(|value| *value == 0) {
        return Err(8 + 2 * zero);
    }
    let fixed: u64 =
        values.iter().filter(|value| **value != REST).map(|value| unit.saturating_mul((*value).into())).sum();
    let rests = values.iter().filter(|value| **value == REST).count() as u64;
    let rest = capacity.checked_sub(fixed).ok_or(8_usize)?.checked_div(rests).unwrap_or(0);
    if rests > 0 && rest == 0 {
        return Err(8);
    }
    Ok(values.iter().map(|value| if *value == REST { rest } else { unit.saturating_mul((*value).into()) }).collect())
}

#[cfg(test)]
mod tests {
    use super::sizes;

    fn page(additional: u8, flags: u8, units: u8, values: [u16; 4]) -> Vec<u8> {
        let head = [0x11, 0x0e, 3, additional, flags, 3, units, 0];
        head.into_iter().chain(values.iter().flat_map(|value| value.to_be_bytes())).collect()
    }

    #[test]
    fn sizes_by_units() {
        let of = |additional, flags, units, values| sizes(&page(additional, flags, units, values), 12_000_000_000_000);
        assert_eq!(of(0, 0x1c, 9, [0; 4]), Ok(vec![12_000_000_000_000]));
        assert_eq!(of(1, 0x3c, 9, [38, 0xffff, 0, 0]), Ok(vec![38_000_000_000, 11_962_000_000_000]));
        assert_eq!(of(1, 0x34, 0, [500, 2, 0, 0]), Ok(vec![500_000_000, 2_000_000]));
        assert_eq!(
            of(2, 0x3c, 10, [0xffff, 100, 0xffff, 0]),
            Ok(vec![5_500_000_000_000, 1_000_000_000_000, 5_500_000_000_000])
        );
        assert_eq!(of(3, 0x5c, 9, [0; 4]), Ok(vec![3_000_000_000_000; 4]));
        assert_eq!(of(1, 0x3c, 9, [13_000, 0xffff, 0, 0]), Err(8));
        assert_eq!(of(1, 0x3c, 9, [12_000, 0xffff, 0, 0]), Err(8));
        assert_eq!(of(1, 0x3c, 9, [1, 0, 0, 0]), Err(10));
    }
}
