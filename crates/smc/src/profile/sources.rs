//! Sources of the library models; [`scsi_core::source`] explains the columns. A remark also names what the real library has
//! and the model lacks.

use scsi_core::source::Part::{
    Addresses, Commands, ElementCounts, ElementDescriptors, Inquiry, Log, LogList, Mode, Other, Product, Rest,
    Revision, SerialNumber, Vpd, VpdList,
};
use scsi_core::source::Source::{Captured, Manual, Own, Sibling, Unknown};
use scsi_core::source::{Part, Source, SourceRow, SourceTable};

const fn row(parts: &'static [Part], source: Source, remark: &'static str) -> SourceRow {
    SourceRow { parts, source, remark }
}

pub(super) const MSL3040: &SourceTable = &SourceTable {
    title: "HPE MSL3040",
    rows: &[
        row(
            &[Product, Revision, Inquiry, VpdList],
            Captured,
            "C8h is listed by the real library and not by Ferric: contents unknown",
        ),
        row(&[SerialNumber], Captured, "`_LLnn` of a logical library"),
        row(
            &[Vpd(&[0x80, 0x83, 0xc0, 0xcc, 0xd0])],
            Captured,
            "in 83h of the real library the NAA designator comes first",
        ),
        row(&[Vpd(&[0x85])], Captured, "holds a URL on the real library and nothing in Ferric"),
        row(
            &[Mode(&[0x1c, 0x1d, 0x1e, 0x1f])],
            Captured,
            "PS on 1Dh only; 1Fh lists only moves between element types that the library has",
        ),
        row(&[LogList], Captured, "00h/FFh is refused by the real library"),
        row(&[Log(&[0x0d, 0x2e, 0x30])], Captured, "TapeAlert flags have control byte 40h"),
        row(&[Log(&[0x07, 0x34, 0x38, 0x3a, 0x3b])], Captured, "empty"),
        row(&[Other("log pages 36h and 3Eh")], Unknown, "not in Ferric: contents unknown"),
        row(&[Addresses, ElementDescriptors], Captured, ""),
        row(&[Commands], Sibling, "table of contents of HPE's MSL6480 SCSI reference"),
        row(&[ElementCounts], Unknown, ""),
    ],
};

pub(super) const MSL_G3: &SourceTable = &SourceTable {
    title: "HP MSL G3 Series",
    rows: &[
        row(&[Product, Revision], Captured, "as backup programs list such libraries in the field"),
        row(&[ElementCounts], Manual, "an MSL8096: 96 slots, twelve of them mail slots, eight drives"),
        row(
            &[Inquiry, SerialNumber, VpdList],
            Unknown,
            "the G3 has not been captured; INQUIRY flags, VPD C0h, C8h, CCh, D0h and the serial number with `_LLnn` of an MSL3040 are not adopted",
        ),
        row(&[LogList, Log(&[0x0d, 0x14, 0x2e])], Unknown, "SMC-3"),
    ],
};

pub(super) const IBM_3573: &SourceTable = &SourceTable {
    title: "IBM 3573-TL: TS3100 and TS3200, Dell TL2000 and TL4000",
    rows: &[
        row(&[Product, Revision], Captured, "as reported by such libraries in the field"),
        row(&[Vpd(&[0xc0])], Captured, ""),
        row(&[VpdList], Manual, "D0h and FFh are listed by the real library and not by Ferric: contents unknown"),
        row(
            &[Addresses, ElementCounts],
            Manual,
            "IBM's TS3100/TS3200 guide: 45 slots and three import/export slots, or 48 slots without",
        ),
        row(
            &[ElementDescriptors],
            Manual,
            "Dell TL2000/TL4000 SCSI reference, pages 71 and 73: 83h/01h for missing or unreadable labels, while 83h/00h is an element not scanned yet; 30h/03h for elements with a cleaning cartridge, 30h/83h for a cleaning cartridge without a readable label",
        ),
        row(&[Rest], Manual, "Dell TL2000/TL4000 SCSI reference"),
    ],
};

pub(super) const IBM_3584: &SourceTable = &SourceTable {
    title: "IBM 03584L32: TS3500",
    rows: &[
        row(&[Product, Revision], Captured, "2C02 and version 3: as reported by such a library"),
        row(&[Rest], Manual, "IBM's SCSI reference for the 3584 and its successors"),
    ],
};

pub(super) const SCALAR_I500: &SourceTable = &SourceTable {
    title: "ADIC and Quantum Scalar i500",
    rows: &[
        row(&[Product, Revision], Captured, "as reported by such libraries in the field"),
        row(&[ElementCounts], Manual, "the 41U configuration"),
        row(&[Rest], Manual, "Quantum's SCSI reference for its intelligent libraries (6-00423)"),
    ],
};

pub(super) const STK_L_SERIES: &SourceTable = &SourceTable {
    title: "STK L700 and L180",
    rows: &[
        row(&[Product, Revision], Captured, "0315 of an L180: Bareos' manual"),
        row(
            &[Inquiry],
            Manual,
            "byte 55 bit 0 reports a barcode reader, where old tools such as loaderinfo look for it",
        ),
        row(&[ElementDescriptors], Manual, "ACSLS SCSI reference for the same family"),
        row(&[Rest], Manual, "L700e/L180 SCSI reference, 8th edition"),
    ],
};

pub(super) const PYTHON: &SourceTable = &SourceTable {
    title: "SPECTRA PYTHON: Spectra T50e to T950",
    rows: &[
        row(
            &[ElementDescriptors],
            Manual,
            "Spectra's SCSI developer guide; the form of the drive identifier as in emulators of the model",
        ),
        row(&[ElementCounts], Manual, "one T950 frame with its TeraPack ports"),
        row(&[Rest], Manual, "Spectra's SCSI developer guide"),
    ],
};

pub(super) const FERRIC: &SourceTable =
    &SourceTable { title: "Ferric's own libraries", rows: &[row(&[Rest], Own, "")] };
