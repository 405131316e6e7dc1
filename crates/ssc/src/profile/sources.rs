//! Sources of the drive models; [`scsi_core::source`] explains the columns. A remark also names what the real drive has and
//! the model lacks.

use scsi_core::source::Item::{Commands, Inquiry, LogList, Media, Product, Revision, VpdList};
use scsi_core::source::Part::{Log, LogSubpages, Mode, ModeSubpages, One, Other, Rest, Vpd};
use scsi_core::source::Source::{Captured, Manual, Own, Sibling, Unknown};
use scsi_core::source::{Part, Source, SourceRow, SourceTable};

const fn row(parts: &'static [Part], source: Source, remark: &'static str) -> SourceRow {
    SourceRow { parts, source, remark }
}

/// HP Ultrium 5-SCSI and 6-SCSI.
pub(super) const BUILT_BY_HP: &SourceTable = &SourceTable {
    title: "LTO-5 and LTO-6 drives built by HP",
    rows: &[
        row(&[One(Product)], Manual, "HP's technical reference manuals; LTFS, `hp_tape.c`"),
        row(
            &[One(Revision), One(LogList)],
            Captured,
            "LTO-6 list (331U); LTO-5 as LTO-6. No 33h; 10h and 2Fh are supported and not listed",
        ),
        row(&[One(Inquiry)], Manual, "length 96, WORM in byte 40 (LTO-3 to LTO-5 references)"),
        row(&[One(Media)], Manual, "load matrix of the Ultrium specifications"),
        row(&[One(Commands)], Manual, "LTO-5 reference, volume 3"),
        row(
            &[One(VpdList)],
            Captured,
            "LTFS issue 441, without 90h and C8h, which are those of serial attached SCSI; with B5h, because the drive supports logical block protection",
        ),
        row(
            &[Vpd(&[0x80, 0x83, 0x85, 0x86, 0x87, 0x88])],
            Captured,
            "decoded in LTFS issue 441; port designators are those of the frontend",
        ),
        row(&[Vpd(&[0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5])], Unknown, "listed by the real drive; contents of SSC-4"),
        row(&[Vpd(&[0xc0, 0xc1, 0xc2, 0xc3, 0xc4])], Manual, "component levels, 92 bytes"),
        row(
            &[Mode(&[0x01, 0x02, 0x0a, 0x0f, 0x10, 0x11, 0x1c])],
            Manual,
            "10h: WRITE DELAY TIME and REWIND ON RESET are changeable on the real drive and fixed in Ferric, which writes the buffer neither after a time nor at a reset",
        ),
        row(&[ModeSubpages(0x10, &[0x01])], Sibling, "PS as on LTO-9"),
        row(&[Mode(&[0x1a, 0x1d]), ModeSubpages(0x0a, &[0x01, 0xf0])], Unknown, ""),
        row(
            &[Log(&[0x02, 0x03, 0x0c, 0x0d, 0x12, 0x13, 0x16, 0x1b, 0x2e, 0x30, 0x32])],
            Captured,
            "all 64 TapeAlert flags; 0Dh has no reference temperature; 0C/0008h is 418 MB on LTO-6, unknown on LTO-5",
        ),
        row(
            &[Log(&[0x11])],
            Captured,
            "0000h 0001h 0101h 0102h 8000h 8010h B101h B102h; polling 16 ms. Control bytes of the first four are inferred; ports are zero",
        ),
        row(
            &[Log(&[0x14])],
            Captured,
            "up to 0017h, 40h, 41h, 80h, 81h, 1000h. Hours and metres of motion are zero: no tape moves",
        ),
        row(
            &[Log(&[0x15])],
            Unknown,
            "the real drive lists service buffers 41h and 44h of READ BUFFER; Ferric cannot read them and lists none",
        ),
        row(
            &[Log(&[0x17])],
            Captured,
            "no 0018h, 0019h, 0204h; 0046h manufacture date, 0300h mount history (from the cartridge memory), F000h",
        ),
        row(&[Log(&[0x18])], Sibling, "port 1 of the frontend instead of two SAS ports"),
        row(&[Log(&[0x31])], Captured, "0005h to 0008h with control byte 60h on LTO-6; LTO-5 has four"),
        row(
            &[Log(&[0x34, 0x35, 0x3e])],
            Captured,
            "codes, control bytes, lengths; 3E/0001h and 0004h hold more on the real drive than is known",
        ),
        row(
            &[Other("SECURITY PROTOCOL IN 0010h")],
            Captured,
            "DKAD_C 11b, RDMC_C 5h; U-KAD of 32 bytes. EXTDECC is 01b in Ferric, because keys cannot be set in any other way; the manual has 10b",
        ),
    ],
};

/// HP Ultrium 7-SCSI and HPE Ultrium 9-SCSI, of which captures exist.
pub(super) const SINCE_LTO_7: &SourceTable = &SourceTable {
    title: "LTO-7 and LTO-9 drives of HP and HPE, built by IBM",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, ""),
        row(
            &[One(Inquiry)],
            Captured,
            "the version descriptor of the transport is that of the frontend instead of SAS",
        ),
        row(&[One(Media)], Manual, "load matrix of the Ultrium specifications"),
        row(&[One(Commands)], Manual, "IBM LTO SCSI reference"),
        row(
            &[One(VpdList)],
            Captured,
            "the real drives also list 03h, 90h, C2h, C3h, C7h, C8h, E0h and E1h, of which only the codes are known",
        ),
        row(&[Vpd(&[0x80, 0x83, 0xc0, 0xcc, 0xd0])], Captured, "port designators are those of the frontend"),
        row(
            &[Vpd(&[0x86, 0x87, 0x88, 0xb0, 0xb1, 0xb3, 0xb4, 0xb5, 0xc1])],
            Unknown,
            "listed by the real drives; contents of the standards, C1h as in mhvtl",
        ),
        row(&[Mode(&[0x0a, 0x0f, 0x10, 0x1c])], Captured, "of these, PS on 10h only"),
        row(&[ModeSubpages(0x10, &[0x01])], Captured, "PS captured from LTO-9; LTO-7 inferred"),
        row(&[Mode(&[0x01, 0x18, 0x19, 0x1a, 0x1d, 0x24, 0x2f])], Sibling, "captured from IBM's LTO-8 to LTO-10"),
        row(&[Mode(&[0x02, 0x11]), ModeSubpages(0x0a, &[0x01, 0xf0])], Unknown, "layout of the standards"),
        row(
            &[Other("MODE SELECT of 11h with sizes that the drive rounds")],
            Sibling,
            "1/37/00, and the page takes effect: IBM LTO-7 (LTFS issue 358) and ULTRIUM-TD9 (issue 351), both with 1 GB requested. SPC requires it of any drive that rounds, so every model that can be partitioned does it. Rounded means that the size differs in whole PARTITION UNITS (inferred). MODE SENSE shows the selected sizes until FORMAT MEDIUM (unknown)",
        ),
        row(&[One(LogList)], Captured, "with all subpages of 37h; 10h and 2Fh are supported and not listed"),
        row(
            &[Log(&[0x02, 0x03, 0x06, 0x0c, 0x17, 0x2e, 0x30, 0x31, 0x33, 0x34, 0x37, 0x38, 0x39, 0x3b])],
            Captured,
            "codes, control bytes and lengths",
        ),
        row(
            &[Log(&[0x11])],
            Captured,
            "codes, control bytes and lengths; 0201h, 8001h and E000h are zero in Ferric; ports are zero",
        ),
        row(&[Log(&[0x12, 0x16, 0x1a, 0x1b, 0x32])], Captured, "codes, as decoded by sg_logs; values of 32h too"),
        row(
            &[Log(&[0x14])],
            Captured,
            "codes, as decoded by sg_logs, without F001h. Hours and metres of motion are zero: no tape moves",
        ),
        row(
            &[Log(&[0x3c, 0x3d])],
            Captured,
            "the first five and six parameters; the real pages have 170 and 288 bytes",
        ),
        row(&[Log(&[0x18])], Unknown, "port 1 of the frontend instead of two SAS ports"),
        row(
            &[LogSubpages(0x0d, &[0x01]), LogSubpages(0x17, &[0x01, 0x02])],
            Unknown,
            "listed by the real drives; layout of SSC-5",
        ),
        row(
            &[LogSubpages(0x37, &[0x10, 0x20, 0x40, 0x50, 0x60, 0x80, 0x90, 0xa0])],
            Unknown,
            "listed by the real drives; no parameters in Ferric, because none is known",
        ),
        row(
            &[Other("log pages 3Ah and 3Eh")],
            Unknown,
            "supported by the real drives without being listed; refused by Ferric (1,546 and 1,103 bytes of vendor-specific counters)",
        ),
        row(
            &[Other("17/0045h, 0C/0008h, capacity of the cartridge memory")],
            Captured,
            "`LTOL9G9`, 0287h, 32,736 bytes (lto-info issue 4) with LTO-9; `Ultrium-7`, 0256h with LTO-7",
        ),
        row(&[Other("SECURITY PROTOCOL IN 0010h")], Sibling, "RDMC_C 4h as in mhvtl and Quantum's manual"),
    ],
};

/// HPE Ultrium 8-SCSI.
pub(super) const HPE_LTO_8: &SourceTable = &SourceTable {
    title: "HPE Ultrium 8-SCSI",
    rows: &[
        row(&[One(Product)], Manual, "LTFS, `hp_tape.c`"),
        row(&[One(Revision)], Sibling, "one of IBM's for this generation"),
        row(&[One(Media)], Manual, "load matrix of the Ultrium specifications"),
        row(
            &[Other("all other parts")],
            Sibling,
            "no capture is available; LTO-8 lies between the captures of LTO-7 and LTO-9 and is inferred where they agree",
        ),
    ],
};

/// IBM's names of drives since LTO-7.
pub(super) const IBM: &SourceTable = &SourceTable {
    title: "IBM ULT3580 drives, LTO-5 to LTO-9",
    rows: &[
        row(&[One(Product), One(Revision)], Captured, "as reported by such drives in the field"),
        row(&[One(Inquiry)], Captured, "from a ULT3580-HH8 with SAS; version descriptors are those of the frontend"),
        row(&[One(Media)], Manual, "load matrix of the Ultrium specifications"),
        row(
            &[Other("VPD CCh and D0h")],
            Unknown,
            "HP's and HPE's drives have them with their own names; IBM's drives do not in Ferric",
        ),
    ],
};

/// IBM's LTO-5 and LTO-6 drives.
pub(super) const IBM_BEFORE_LTO_7: &SourceTable = &SourceTable {
    title: "IBM ULT3580 drives, LTO-5 and LTO-6",
    rows: &[
        row(&[One(LogList)], Sibling, "as LTO-7 without 17h/01h, 17h/02h and the subpages of 37h"),
        row(&[Log(&[0x11])], Unknown, "0000h to 0003h, 0101h, 8000h"),
        row(
            &[Log(&[0x17])],
            Sibling,
            "LTFS issue 183 shows four records in 0202h to 0204h of an LTO-6 drive, regardless of the partitions; Ferric has one for each partition, which LTFS reads",
        ),
    ],
};

/// IBM's LTO-10 drives.
pub(super) const IBM_LTO_10: &SourceTable = &SourceTable {
    title: "IBM ULT3580 drives, LTO-10",
    rows: &[
        row(
            &[One(Product)],
            Manual,
            "LTFS, `ibm_tape.c`. There is no HPE or QUANTUM model, because no product identification of one is known",
        ),
        row(&[One(Revision)], Captured, "S57A of a ULT3580-TDA with Fibre Channel; -HHA inferred"),
        row(
            &[One(Media)],
            Manual,
            "densities 62h and 63h, bits per millimetre, tracks, density names, medium types A8h, A9h, ACh, capacities, barcodes LA, PA, LH: IBM GA32-0928-08 as mhvtl quotes it (pull request 193). Densities, bits per millimetre and the lengths of 1,035 and 1,337 m: captured (FreeBSD 930486f9be5c)",
        ),
        row(
            &[Other(
                "cartridge memory of 32,736 bytes, 4 partitions, 17/0045h `Ultrium-10`, `LTOA` in VPD C0h, short names of REPORT DENSITY SUPPORT with MEDIUM TYPE",
            )],
            Unknown,
            "",
        ),
        row(&[Other("initialization at the first load")], Unknown, "none, as no drive of Ferric has it"),
    ],
};

/// IBM's LTO drives, as libraries of other vendors name them.
pub(super) const OTHER_NAME: &SourceTable = &SourceTable {
    title: "IBM's LTO drives in libraries of other vendors",
    rows: &[row(&[One(Product)], Manual, "LTFS, `ibm_tape.c`, since LTO-5; before, as in mhvtl")],
};

/// Quantum's names of IBM's half-height drives.
pub(super) const QUANTUM: &SourceTable = &SourceTable {
    title: "QUANTUM ULTRIUM-HH5 to -HH9",
    rows: &[
        row(
            &[One(Product)],
            Manual,
            "LTFS, `quantum_tape.c`. `model = \"QUANTUM ULTRIUM-HH7\"` names such a drive in a configuration, because IBM's drive has the same product identification. `ULTRIUM 5` and `ULTRIUM 6` of Quantum are not among the models: who built them is not certain",
        ),
        row(&[One(Revision)], Sibling, "that of IBM's drive; K4K5 of -HH7 is captured (LTFS issue 443)"),
    ],
};

/// Families as mhvtl presents them.
pub(super) const AS_IN_MHVTL: &SourceTable = &SourceTable {
    title: "Drives as mhvtl presents them",
    rows: &[row(&[Rest], Unknown, "not compared with captures")],
};

/// IBM's 3592 drives since TS1150.
pub(super) const IBM_3592: &SourceTable = &SourceTable {
    title: "IBM 3592 since TS1150",
    rows: &[
        row(&[One(Product)], Manual, "LTFS, `ibm_tape.c`"),
        row(&[One(Revision)], Unknown, "460E of 03592E08 is from CTA's tests; 0100 for the others"),
        row(
            &[One(Media)],
            Manual,
            "density codes, bits per millimetre, tracks up to TS1160 and density names: FreeBSD's `mt`; medium types: LTFS, `tape_drivers.h`; capacities and load matrix: IBM's announcements. Tracks of 70F, and the lengths of JE and JF, are unknown. Encrypted cartridges have a density code that is 20h higher on the real drives, not in Ferric. Economy cartridges JL and JM are not among the media",
        ),
        row(&[Other("everything else")], Sibling, "as 03592E07, which is as in mhvtl"),
    ],
};

/// HP Ultrium 4-SCSI and IBM's LTO-4 drives.
pub(super) const LTO_4_ENCRYPTION: &SourceTable = &SourceTable {
    title: "Encryption of LTO-4 drives",
    rows: &[
        row(
            &[Other("encryption of LTO-3 media")],
            Manual,
            "none (Qualstar's and Quantum's compatibility tables). Page 0010h then has AVFMV 0 (HP LTO-5 host interface guide: 1 only with a threaded tape that can be encrypted)",
        ),
        row(
            &[Other("WRITE to LTO-3 media in ENCRYPT or EXTERNAL mode")],
            Sibling,
            "7/74/07, and nothing is written. The sense follows from the name of the code: no available manual has it, and HP's LTO-4 list of sense codes does not have 74/07",
        ),
        row(&[Other("RDMC_C of HP Ultrium 4-SCSI")], Sibling, "5h"),
    ],
};

/// StorageTek T10000.
pub(super) const T10000: &SourceTable = &SourceTable {
    title: "StorageTek T10000",
    rows: &[row(
        &[Other("data encryption")],
        Manual,
        "AES-256-GCM in Ferric; the real drive has AES-CCM, requires a U-KAD and refuses raw reads (Oracle's interface reference)",
    )],
};

/// DLT7000 and DLT8000.
pub(super) const DLT: &SourceTable =
    &SourceTable { title: "DLT", rows: &[row(&[Other("saved mode pages")], Manual, "none (DLT4000 user's manual)")] };

/// Ferric's own drive.
pub(super) const FERRIC: &SourceTable =
    &SourceTable { title: "Ferric's own drive", rows: &[row(&[Rest], Own, "for unknown product identifications")] };
