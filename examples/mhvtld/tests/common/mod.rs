//! Functions that the tests share.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "each test uses its part of it")]

use mhvtl_lld::simulator::{HostResult, HostTransfer, Simulator};
use std::fs;
use std::path::Path;

/// mhvtl's configuration in `etc` of a directory: a library 10 with drives 11 and 12 and three cartridges.
pub(crate) fn etc(dir: &Path) {
    let etc = dir.join("etc");
    fs::create_dir_all(&etc).unwrap();
    let drive = |number: u32| {
        format!(
            "Drive: 1{number} CHANNEL: 00 TARGET: 0{number} LUN: 00\n Library ID: 10 Slot: 0{number}\n\
             Vendor identification: IBM\n Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A{number}\n\n"
        )
    };
    let devices = format!(
        "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n Product identification: L700\n\
         Unit serial number: XYZZY_A\n Home directory: {}\n\n{}{}",
        dir.join("home").display(),
        drive(1),
        drive(2)
    );
    fs::write(etc.join("device.conf"), devices).unwrap();
    let contents = "Drive 1:\nDrive 2:\n\nMAP 1:\n\nSlot 1: E01001L8\nSlot 2: E01002L8\nSlot 3: E01003L8\nSlot 4:\n";
    fs::write(etc.join("library_contents.10"), contents).unwrap();
}

pub(crate) fn codes(got: &HostResult) -> (u8, u8, u8) {
    (got.sense[2] & 0x0f, got.sense[12], got.sense[13])
}

/// Sends TEST UNIT READY until the unit is ready.
pub(crate) fn ready(module: &Simulator, minor: u16) {
    while module.send(minor, &[0; 6], HostTransfer::NoData).wait().status != 0 {}
}

/// MOVE MEDIUM from the first slot to the first drive.
pub(crate) const LOAD: [u8; 12] = [0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
