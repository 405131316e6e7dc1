//! Tape and changer programs, as an administrator uses them.

use crate::compatibility::record;
use crate::{Directory, assert_contains, noise};

#[test]
fn example_of_the_manual() {
    let out = Directory::new()
        .succeed(&[], "mtx -f /dev/sg0 load 1 0 && tar -b 512 -cf /dev/nst0 /etc/passwd && mt -f /dev/nst0 status");
    assert_contains(
        &out,
        &[
            "Loading media from Storage Element 1 into drive 0...done",
            "File number=1, block number=0",
            "LTO-8",
            "EOF ONLINE IM_REP_EN",
        ],
    );
}

#[test]
fn changer_programs() {
    let out = Directory::new().succeed(
        &[],
        "mtx -f $FERRIC_CHANGER inquiry
         mtx -f $FERRIC_CHANGER load 2 1
         mtx -f $FERRIC_CHANGER transfer 1 22
         mtx -f $FERRIC_CHANGER status
         mtx -f $FERRIC_CHANGER unload 2 1
         mtx -f $FERRIC_CHANGER status | grep 'Storage Element 2:'
         loaderinfo -f $FERRIC_CHANGER",
    );
    assert_contains(
        &out,
        &[
            "Vendor ID: 'STK     '",
            "2 Drives, 28 Slots ( 4 Import/Export )",
            "Data Transfer Element 1:Full (Storage Element 2 Loaded):VolumeTag = V00002L8",
            "Storage Element 22:Full :VolumeTag=V00001L8",
            "Storage Element 2:Full :VolumeTag=V00002L8",
            "Number of Storage Elements: 24",
            "Bar Code Reader: Yes",
        ],
    );
    record(&[
        ["mtx", "mtx", "inquiry, status, load, unload, transfer"],
        ["loaderinfo", "mtx", "configuration of the changer"],
    ]);
}

#[test]
fn drive_programs() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "tapeinfo -f $FERRIC_DRIVE0_SG
         scsitape -f $FERRIC_DRIVE0_SG rewind
         mt -f /dev/nst0 weof 3
         mt -f /dev/nst0 bsf 2
         mt -f /dev/nst0 status
         mt -f /dev/nst0 tell
         mt -f /dev/nst0 eod
         mt -f /dev/nst0 offline
         mt -f /dev/nst0 status",
    );
    assert_contains(
        &out,
        &[
            "Product Type: Tape Drive",
            "Product ID: 'ULT3580-TD8     '",
            "MaxBlock: 8388608",
            "Ready: yes",
            "At block 1.",
            "DR_OPEN",
        ],
    );
    record(&[
        ["tapeinfo", "mtx", "drive and cartridge"],
        ["scsitape", "mtx", "rewind"],
        ["mt", "mt-st", "status, positions, filemarks, offline"],
    ]);
}

#[test]
fn generic_programs() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "sg_inq /dev/sg1
         sg_inq /dev/nst0 | grep 'Product identification'
         sg_vpd -p di /dev/sg1
         sg_luns /dev/sg0
         sg_turs /dev/sg1
         sg_requests /dev/sg1
         sg_logs -p 0x0 /dev/sg1
         sg_modes /dev/sg1
         sg_opcodes /dev/sg1
         sg_read_attr /dev/sg1
         sg_raw -r 512 /dev/sg1 12 00 00 00 60 00 2>&1",
    );
    assert_contains(
        &out,
        &[
            "Product identification: ULT3580-TD8",
            "3 lun entries",
            "Sequential access",
            "Locate(10)",
            "SCSI Status: Good",
        ],
    );
    record(&[[
        "sg3_utils",
        "sg3-utils",
        "sg_inq, sg_vpd, sg_luns, sg_turs, sg_requests, sg_logs, sg_modes, sg_opcodes, sg_read_attr, sg_raw",
    ]]);
}

#[test]
fn tar_and_cpio_restore_what_they_wrote() {
    let directory = Directory::new();
    directory.write("noise", noise(3_000_000));
    let out = directory.succeed(
        &["--load", "V00001L8"],
        "mkdir tree && cp noise tree/a && head -c 70000 noise > tree/b && ln tree/b tree/c
         tar -b 512 -cf /dev/nst0 tree
         tar -b 20 -cf /dev/nst0 tree/b
         find tree | cpio -o -H newc -C 65536 -O /dev/nst0
         mt -f /dev/nst0 status
         mt -f /dev/nst0 rewind
         mkdir one two three
         tar -b 512 -xf /dev/nst0 -C one && mt -f /dev/nst0 fsf
         tar -b 20 -xf /dev/nst0 -C two && mt -f /dev/nst0 fsf
         cpio -id -C 65536 -I /dev/nst0 -D three
         diff -r tree one/tree && cmp tree/b two/tree/b && diff -r tree three/tree
         mt -f /dev/nst0 rewind && tar -b 512 -df /dev/nst0",
    );
    assert_contains(&out, &["File number=3"]);
    record(&[
        ["tar", "tar", "-b 512 and -b 20: write, restore and compare archives"],
        ["cpio", "cpio", "write and restore an archive with blocks of 64 KiB"],
    ]);
}

#[test]
fn dd_with_odd_and_fixed_block_sizes() {
    let directory = Directory::new();
    directory.write("noise", noise(1_000_000));
    directory.succeed(
        &["--load", "V00001L8"],
        "for size in 1 511 4095 4096 4097 65537 1000000; do
            mt -f /dev/nst0 rewind
            dd if=noise of=/dev/nst0 bs=$size count=20 status=none
            mt -f /dev/nst0 rewind
            dd if=/dev/nst0 bs=$size status=none | cmp -n $((size * 20)) - noise
         done
         mt -f /dev/nst0 rewind
         mt -f /dev/nst0 setblk 512
         head -c 51200 noise | dd of=/dev/nst0 bs=10240 status=none
         mt -f /dev/nst0 rewind
         dd if=/dev/nst0 bs=5120 status=none | cmp -n 51200 - noise
         mt -f /dev/nst0 tell | grep 'At block 101'",
    );
    record(&[["dd", "coreutils", "blocks of 1 to 1000000 bytes; fixed blocks of 512 bytes"]]);
}

#[test]
fn mbuffer_and_python() {
    let directory = Directory::new();
    directory.write("noise", noise(2_000_000));
    directory.write(
        "files.py",
        "import os, fcntl, struct\n\
         def operate(tape, operation): fcntl.ioctl(tape, 0x40086d01, struct.pack('hxxi', operation, 1))\n\
         with open('/dev/nst0', 'wb', buffering=0) as tape: assert tape.write(b'x' * 100000) == 100000\n\
         tape = os.open('/dev/nst0', os.O_RDWR)\n\
         operate(tape, 6)\n\
         assert os.read(tape, 65536 * 2) == b'x' * 100000\n\
         assert os.read(tape, 65536) == b''\n\
         operate(tape, 6)\n\
         assert os.writev(tape, [b'one', b'two', b'three' * 1000]) == 5006\n\
         operate(tape, 6)\n\
         buffers = [bytearray(3), bytearray(3), bytearray(6000)]\n\
         assert os.readv(tape, buffers) == 5006 and buffers[1] == b'two' and buffers[2][:5000] == b'three' * 1000\n\
         os.close(tape)\n\
         with open('/dev/nst0', 'rb') as tape: assert tape.read() == b''\n",
    );
    directory.succeed(
        &["--load", "V00001L8"],
        "mbuffer -q -i noise -o /dev/nst0 -s 64k 2>/dev/null
         mt -f /dev/nst0 rewind
         mbuffer -q -i /dev/nst0 -s 64k 2>/dev/null | cmp - noise
         mt -f /dev/nst0 rewind
         python3 files.py",
    );
    record(&[
        ["mbuffer", "mbuffer", "write and read a file"],
        ["Python", "python3", "file objects, os.read, os.readv, os.writev, fcntl.ioctl"],
    ]);
}

#[test]
fn tar_continues_on_a_second_cartridge() {
    let directory = Directory::new();
    directory.write("noise", noise(40_000_000));
    directory.write("library.toml", "[[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"32MB\"\n");
    directory.write(
        "next",
        "#!/bin/sh\nmt -f /dev/nst0 offline && mtx -f /dev/sg0 unload $((TAR_VOLUME - 1)) 0 >&2 && mtx -f /dev/sg0 load $TAR_VOLUME 0 >&2\n",
    );
    let out = directory.succeed(
        &["--config", "library.toml"],
        "mtx -f /dev/sg0 load 1 0
         tar -M -F ./next -b 512 -cf /dev/nst0 noise
         mt -f /dev/nst0 offline
         mtx -f /dev/sg0 unload 2 0 && mtx -f /dev/sg0 load 1 0
         mkdir back && tar -M -F ./next -b 512 -xf /dev/nst0 -C back
         cmp noise back/noise
         mtx -f /dev/sg0 status | grep 'Transfer Element 0'",
    );
    assert_contains(&out, &["VolumeTag = A2L8"]);
    record(&[["tar", "tar", "-M: an archive on two cartridges"]]);
}

#[test]
fn stenc_reads_and_sets_encryption() {
    // stenc only works as root, and checks nothing else: a user namespace is enough.
    let directory = Directory::new();
    directory.write("key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    let ended = directory.run(
        &["--load", "V00001L8"],
        "unshare --map-root-user sh -c 'stenc -f /dev/sg1 --detail && stenc -f /dev/sg1 -e on -k key -a 1 && stenc -f /dev/sg1 --detail'",
    );
    let text = ended.out + &ended.err;
    assert_eq!(ended.code, 0, "{text}");
    assert_contains(&text, &["Drive Encryption:", "on"]);
    record(&[["stenc", "stenc", "set a key with -a 1, and show the state, as root of a user namespace"]]);
}
