//! Sources of the library models; [`scsi_core::source`] explains the columns. A remark also names what the real library has
//! and the model lacks.

use scsi_core::source::Item::{
    Addresses, Commands, ElementCounts, ElementDescriptors, Inquiry, LogList, Product, Revision, SerialNumber, VpdList,
};
use scsi_core::source::Part::{Log, Mode, One, Other, Rest, Vpd};
use scsi_core::source::Source::{Captured, Manual, Own, Sibling, Unknown};
use scsi_core::source::{Part, Source, SourceRow, SourceTable};

const fn row(parts: &'static [Part], source: Source, remark: &'static str) -> SourceRow {
    SourceRow { parts, source, remark }
}

pub(super) const MSL3040: &SourceTable = &SourceTable {
    title: "HPE MSL3040",
    rows: &[
        row(&[One(Product), One(Revision), One(Inquiry), One(VpdList)], Captured, ""),
        row(&[One(SerialNumber)], Captured, "`_LLnn` of a logical library"),
        row(&[Vpd(&[0x80, 0x83, 0xc0, 0xcc, 0xd0])], Captured, "83h: NAA, then T10 vendor ID"),
        row(
            &[Vpd(&[0xc8])],
            Sibling,
            "listed by the real library; layout of the page with this code in Quantum's SCSI reference (6-00423), where it announces path failover; none in Ferric",
        ),
        row(&[Vpd(&[0x85])], Captured, "holds a URL on the real library and nothing in Ferric"),
        row(
            &[Mode(&[0x1c, 0x1d, 0x1e, 0x1f])],
            Captured,
            "PS on 1Dh only; 1Fh lists only moves between element types that the library has",
        ),
        row(&[One(LogList)], Captured, "without 36h, a log of messages in XML; 00h/FFh is refused by the real library"),
        row(&[Log(&[0x0d, 0x2e, 0x30])], Captured, "TapeAlert flags have control byte 40h"),
        row(&[Log(&[0x07, 0x34, 0x38, 0x3a, 0x3b])], Captured, "empty"),
        row(
            &[Log(&[0x3e])],
            Captured,
            "codes, control bytes and lengths; zero apart from 0002h and 100Bh, which count with the moves",
        ),
        row(&[One(Addresses), One(ElementDescriptors)], Captured, ""),
        row(&[One(Commands)], Sibling, "table of contents of HPE's MSL6480 SCSI reference"),
        row(&[One(ElementCounts)], Unknown, ""),
    ],
};

pub(super) const MSL_G3: &SourceTable = &SourceTable {
    title: "HP MSL G3 Series",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "as backup programs list such libraries in the field"),
        row(&[One(ElementCounts)], Manual, "an MSL8096: 96 slots, twelve of them mail slots, eight drives"),
        row(
            &[One(Inquiry), One(SerialNumber), One(VpdList)],
            Unknown,
            "the G3 has not been captured; INQUIRY flags, VPD C0h, C8h, CCh, D0h and the serial number with `_LLnn` of an MSL3040 are not adopted",
        ),
        row(&[One(LogList), Log(&[0x0d, 0x14, 0x2e])], Unknown, "SMC-3"),
    ],
};

pub(super) const IBM_3573: &SourceTable = &SourceTable {
    title: "IBM 3573-TL: TS3100 and TS3200, Dell TL2000 and TL4000",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "as reported by such libraries in the field"),
        row(&[Vpd(&[0xc0])], Captured, ""),
        row(&[One(VpdList)], Manual, "D0h and FFh are listed by the real library and not by Ferric: contents unknown"),
        row(
            &[One(Addresses), One(ElementCounts)],
            Manual,
            "IBM's TS3100/TS3200 guide: 45 slots and three import/export slots, or 48 slots without",
        ),
        row(
            &[One(ElementDescriptors)],
            Manual,
            "Dell TL2000/TL4000 SCSI reference, pages 71 and 73: 83h/01h for missing or unreadable labels, while 83h/00h is an element not scanned yet; 30h/03h for elements with a cleaning cartridge, 30h/83h for a cleaning cartridge without a readable label",
        ),
        row(&[Rest], Manual, "Dell TL2000/TL4000 SCSI reference"),
    ],
};

pub(super) const IBM_3584: &SourceTable = &SourceTable {
    title: "IBM 03584L32: TS3500",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "2C02 and version 3: as reported by such a library"),
        row(&[Rest], Manual, "IBM's SCSI reference for the 3584 and its successors"),
    ],
};

pub(super) const SCALAR_I500: &SourceTable = &SourceTable {
    title: "ADIC and Quantum Scalar i500",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "as reported by such libraries in the field"),
        row(&[One(ElementCounts)], Manual, "the 41U configuration"),
        row(&[Rest], Manual, "Quantum's SCSI reference for its intelligent libraries (6-00423)"),
    ],
};

pub(super) const STK_L_SERIES: &SourceTable = &SourceTable {
    title: "STK L700 and L180",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "0315 of an L180: Bareos' manual"),
        row(
            &[One(Inquiry)],
            Manual,
            "byte 55 bit 0 reports a barcode reader, where old tools such as loaderinfo look for it",
        ),
        row(&[One(ElementDescriptors)], Manual, "ACSLS SCSI reference for the same family"),
        row(&[Rest], Manual, "L700e/L180 SCSI reference, 8th edition"),
    ],
};

pub(super) const PYTHON: &SourceTable = &SourceTable {
    title: "SPECTRA PYTHON: Spectra T50e to T950",
    rows: &[
        row(
            &[One(ElementDescriptors)],
            Manual,
            "Spectra's SCSI developer guide; the form of the drive identifier as in emulators of the model",
        ),
        row(&[One(ElementCounts)], Manual, "one T950 frame with its TeraPack ports"),
        row(&[Rest], Manual, "Spectra's SCSI developer guide"),
    ],
};

pub(super) const MSL6480: &SourceTable = &SourceTable {
    title: "HP MSL6480",
    rows: &[
        row(
            &[One(Product)],
            Unknown,
            "as a script for a virtual library that imitates it has it (vendor HP), and as device names of Data Protector begin",
        ),
        row(&[One(Revision)], Manual, "firmware in Microsoft's list of libraries for Data Protection Manager"),
        row(&[One(VpdList), One(Commands)], Manual, "HPE's MSL6480 SCSI reference (QU625-96352), table of contents"),
        row(&[Vpd(&[0xc0])], Unknown, "zero"),
        row(&[One(ElementCounts), One(LogList)], Unknown, ""),
    ],
};

pub(super) const TS4300: &SourceTable = &SourceTable {
    title: "IBM TS4300, Dell ML3",
    rows: &[
        row(
            &[One(Product), One(Revision)],
            Captured,
            "`3573-TL`, 1621, with ULT3580-HH9 drives of revision R3G9 (`lsscsi` in a public repository); Microsoft's list for Data Protection Manager has the TS4300 as 3573 with firmware 1112",
        ),
        row(&[One(ElementCounts)], Unknown, ""),
        row(
            &[Other("pages and descriptors")],
            Sibling,
            "no capture is available: those of the TS3200, whose drivers the TS4300 needs",
        ),
    ],
};

pub(super) const SCALAR: &SourceTable = &SourceTable {
    title: "Quantum Scalar",
    rows: &[
        row(&[One(ElementCounts)], Unknown, ""),
        row(
            &[One(SerialNumber)],
            Manual,
            "`_LL` and a number: 6-00423, and `273101164_LL7` of a Scalar i6000 (mhvtl issue 152)",
        ),
        row(&[Vpd(&[0x85])], Manual, "holds a URL on the real library and nothing in Ferric"),
        row(&[Vpd(&[0xc8])], Manual, "no path failover in Ferric"),
        row(
            &[Mode(&[0x1c, 0x1d, 0x1e, 0x1f])],
            Manual,
            "the page length of 1Fh is 12h in the table and 0Eh in the text of the reference",
        ),
        row(
            &[Rest],
            Manual,
            "Quantum's SCSI reference for its intelligent libraries (6-00423). CmdQue as with Fibre Channel; bytes 36 to 54 of INQUIRY without the number of the build",
        ),
    ],
};

pub(super) const SCALAR_I500_OF_QUANTUM: &SourceTable = &SourceTable {
    title: "QUANTUM Scalar i500",
    rows: &[row(&[One(Revision)], Manual, "firmware in Microsoft's list of libraries for Data Protection Manager")],
};

pub(super) const SCALAR_I40_I80: &SourceTable = &SourceTable {
    title: "QUANTUM Scalar i40-i80",
    rows: &[row(&[One(Revision)], Manual, "firmware in Microsoft's list of libraries for Data Protection Manager")],
};

pub(super) const SCALAR_I3_I6: &SourceTable = &SourceTable {
    title: "QUANTUM Scalar i3-i6",
    rows: &[row(
        &[One(Product), One(Revision)],
        Captured,
        "`lsscsi` in a public repository, with ULTRIUM-HH7 drives of revision KAH1",
    )],
};

pub(super) const SCALAR_I6000: &SourceTable = &SourceTable {
    title: "QUANTUM Scalar i6000",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "mhvtl issue 152"),
        row(&[One(Addresses)], Manual, "drives from 0100h; a configuration of the real library can move them to 0800h"),
    ],
};

pub(super) const STK_L20: &SourceTable = &SourceTable {
    title: "STK L20, L40, L80",
    rows: &[
        row(
            &[One(Product), One(VpdList)],
            Unknown,
            "as mhvtl presents them; its mode page 2Dh, 38 bytes of zeros, is not in Ferric",
        ),
        row(&[One(Revision), One(ElementCounts)], Unknown, ""),
    ],
};

pub(super) const SL150: &SourceTable = &SourceTable {
    title: "STK SL150: Oracle StorageTek SL150",
    rows: &[
        row(
            &[One(Product), One(VpdList), Vpd(&[0x80, 0x83, 0x88])],
            Manual,
            "SL150 interface reference (E51473-03), pages 39 to 42, without C8h of a library with an HP LTO-6 drive as its bridge. The serial number has 18 characters, of which a partitioned library sets two",
        ),
        row(&[One(SerialNumber)], Manual, "unchanged, as in a library without partitions"),
        row(
            &[One(Revision)],
            Unknown,
            "the firmware 2.50 of Microsoft's list for Data Protection Manager as four digits",
        ),
        row(&[One(Inquiry)], Sibling, "CmdQue: page 39; the rest as SL500"),
        row(&[One(Addresses), Mode(&[0x1d, 0x1f])], Manual, "pages 97 and 128: PS 0, no exchanges"),
        row(&[Mode(&[0x1c, 0x1e])], Manual, "table of contents; without the pages of the port"),
        row(
            &[One(ElementDescriptors)],
            Manual,
            "page 204; transport types of the drives that it lists, FFh for others",
        ),
        row(&[One(LogList), Log(&[0x2e]), One(Commands), One(ElementCounts)], Unknown, ""),
    ],
};

pub(super) const SL500: &SourceTable = &SourceTable {
    title: "STK SL500: Sun StorageTek SL500",
    rows: &[
        row(&[One(Product)], Manual, "mhvtl and the title of the interface reference (96122)"),
        row(&[One(Revision)], Unknown, ""),
        row(
            &[One(Inquiry), One(VpdList), Vpd(&[0x80, 0x83])],
            Manual,
            "interface reference, pages 94 to 97, with Fibre Channel; the serial number has twelve characters, of which two are the partition",
        ),
        row(&[One(SerialNumber)], Manual, "unchanged"),
        row(
            &[One(Addresses), Mode(&[0x1d, 0x1c, 0x1e])],
            Manual,
            "pages 136 and 143, without the physical configuration page and those of Fibre Channel",
        ),
        row(&[Mode(&[0x1f])], Sibling, "moves as SL150"),
        row(&[One(ElementDescriptors)], Manual, "pages 186 to 200"),
        row(&[One(LogList), Log(&[0x2e]), One(Commands), One(ElementCounts)], Unknown, ""),
    ],
};

pub(super) const FERRIC: &SourceTable =
    &SourceTable { title: "Ferric's own libraries", rows: &[row(&[Rest], Own, "")] };
