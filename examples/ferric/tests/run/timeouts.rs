//! Commands whose response is lost or late, at an iSCSI portal.

use crate::Directory;
use iscsid::Portal;
use scsi_core::cdb::Opcode;
use scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule};
use std::time::Duration;
use vtl::Library;
use vtl::frontend::Frontend;
use vtl::target::encode_lun;

/// SG_IO with a timeout of 1 ms; prints the status, `host_status` and the residual.
const SG_IO: &str = "
import ctypes, fcntl, os, struct, sys
node, opcode = os.open(sys.argv[1], os.O_RDWR), int(sys.argv[2], 16)
command, data = ctypes.create_string_buffer(bytes([opcode]) + bytes(15)), ctypes.create_string_buffer(64)
header = bytearray(struct.pack('iiBBHIQQQIIi4xQBBBBHHiII4x', ord('S'), -3, 16, 0, 0, 64, ctypes.addressof(data),
    ctypes.addressof(command), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
fcntl.ioctl(node, 0x2285, header)
print(sys.argv[2], header[64], *struct.unpack('H2xi', header[68:76]))
";

/// A command without response has `host_status` 7, one with a late response 3. While a drive does not respond, the other
/// units work. When the program that waits is killed, the drive is free.
#[test]
fn lost_and_late_responses() {
    let site = Library::builder().drives("ULT3580-TD8", 2).cartridges("A#L8", 1, "64MB").frontend(Frontend::ISCSI);
    let site = site.open().unwrap();
    let target = &site.targets()[0];
    for (lun, opcode, outcome) in [
        (1, 0x0a, FaultOutcome::Drop),
        (2, 0x4d, FaultOutcome::Drop),
        (0, 0x03, FaultOutcome::Delay(Duration::from_secs(600))),
    ] {
        let matcher = CommandMatcher::of_opcode(Opcode(opcode));
        assert!(target.unit(encode_lun(lun)).unwrap().inject(FaultRule::once(matcher, outcome)));
    }
    let portal = Portal::on_free_port(&site).unwrap();
    let directory = Directory::new();
    directory.write("sg_io.py", SG_IO);
    let out = directory.succeed(
        &["--portal", &portal.address().to_string()],
        "mtx -f /dev/sg0 load 1 0 >&2
         dd if=/dev/zero of=/dev/nst0 bs=1k count=1 status=none & writer=$!
         until readlink /proc/$writer/fd/1 | grep -q socket; do sleep 0.01; done
         python3 sg_io.py /dev/sg2 4d > lost & lost=$!
         python3 sg_io.py /dev/sg0 03 > late
         wait $lost
         cat lost late
         kill -0 $writer && mtx -f /dev/sg0 status | grep -c Full
         kill -9 $writer
         until mt -f /dev/nst0 rewind 2>/dev/null; do sleep 0.05; done
         mt -f /dev/nst0 tell",
    );
    assert_eq!(out, "4d 0 7 64\n03 0 3 64\n1\nAt block 0.\n");
}
