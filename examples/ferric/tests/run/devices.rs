//! What programs find in `/dev`, `/sys` and `/proc`.

use crate::{Directory, assert_contains};

#[test]
fn lsscsi_and_sg_map_list_all_nodes() {
    let out = Directory::new().succeed(&[], "lsscsi -g; sg_map; sg_scan -i; lsscsi -v 0:0:0:1; cat /proc/scsi/scsi");
    assert_contains(
        &out,
        &[
            "[0:0:0:0]    mediumx STK      L700             0310  /dev/sch0  /dev/sg0",
            "[0:0:0:1]    tape    IBM      ULT3580-TD8      MA21  /dev/st0   /dev/sg1",
            "/dev/sg2  /dev/nst1",
            "dir: /sys/bus/scsi/devices/0:0:0:1",
            "Vendor: IBM      Model: ULT3580-TD8      Rev: MA21",
        ],
    );
}

#[test]
fn nodes_are_character_devices_by_every_path() {
    let out = Directory::new().succeed(
        &[],
        "stat -c '%n %F %t:%T %a %s' /dev/st0 /dev/nst1a /dev/sg0 /dev/sch0 /dev/bsg/0:0:0:1
         stat -L -c '%F %t:%T' /dev/tape/by-id/*-changer /dev/tape/by-path/*0:0:0:1-nst
         readlink -f /dev/tape/by-path/*0:0:0:2-nst
         find -L /dev/tape -type c | wc -l
         ls -l /dev/nst0 /dev/tape/by-id/
         cat /sys/class/scsi_tape/nst0/dev
         realpath /sys/class/scsi_generic/sg1/device
         test -c /dev/nst0 && test -r /dev/nst0 && test -w /dev/nst0 && test ! -e /dev/nst7 && test ! -e /dev/sg9
         python3 -c \"import os; fd = os.open('/dev/nst0', os.O_RDONLY | os.O_NONBLOCK); \
            print(os.fstat(fd).st_ino == os.stat('/dev/nst0').st_ino, oct(os.fstat(fd).st_mode), 'nst0' in os.listdir('/dev'), \
            'null' in os.listdir('/dev'))\"",
    );
    assert_contains(
        &out,
        &[
            "/dev/st0 character special file 9:0 660 0\n/dev/nst1a character special file 9:e1 660 0\n",
            "/dev/sg0 character special file 15:0 660 0\n/dev/sch0 character special file 56:0 660 0\n",
            "character special file 15:0\ncharacter special file 9:80\n/dev/nst1\n",
            " 9, 128 ",
            "-> ../../nst0",
            "\n9:128\n/sys/devices/platform/ferric/host0/target0:0:0/0:0:0:1\n",
            "True 0o20660 True True",
        ],
    );
}

#[test]
fn sysfs_can_be_entered() {
    let out = Directory::new()
        .succeed(&[], "cd /sys/class/scsi_tape/nst0/device && pwd -P && cat model && ls scsi_tape | sort | head -2");
    assert_eq!(out, "/sys/devices/platform/ferric/host0/target0:0:0/0:0:0:1\nULT3580-TD8     \nnst0\nnst0a\n");
}

#[test]
fn errors_of_opens_are_those_of_linux() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "cat > opens.py <<'END'
import os, errno
def error(path, flags):
    try: os.close(os.open(path, flags)); return 'opened'
    except OSError as failed: return errno.errorcode[failed.errno]
first = os.open('/dev/nst0', os.O_RDWR)
print(error('/dev/st0', os.O_RDONLY), error('/dev/nst1', os.O_RDONLY | os.O_NONBLOCK))
print(error('/dev/nst9', os.O_RDWR | os.O_CREAT), error('/dev/nst0', os.O_RDONLY | os.O_DIRECTORY))
print(error('/dev/sg1', os.O_RDWR), error('/dev/sch0', os.O_RDWR))
os.close(first)
print(error('/dev/st0', os.O_RDONLY))
END
python3 opens.py",
    );
    assert_eq!(out, "EBUSY opened\nENOENT ENOTDIR\nopened opened\nopened\n");
}

#[test]
fn requests_of_generic_and_changer_nodes() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "cat > requests.py <<'END'
import os, fcntl, struct
def get(path, code, size):
    fd = os.open(path, os.O_RDWR)
    return struct.unpack('i' * (size // 4), fcntl.ioctl(fd, code, b'\\0' * size))
print(get('/dev/sg1', 0x2282, 4), get('/dev/sg1', 0x2276, 32), get('/dev/sg1', 0x2272, 4))
print(get('/dev/sg2', 0x5382, 8), get('/dev/nst0', 0x5382, 8), get('/dev/sch0', 0x5386, 4))
print(fcntl.ioctl(os.open('/dev/sg1', os.O_RDWR), 0x2202))
host = bytearray(struct.pack('i', 20) + b'\\0' * 16)
print(fcntl.ioctl(os.open('/dev/sg0', os.O_RDWR), 0x5385, host), bytes(host[:6]))
# CHIOGPARAMS, CHIOMOVE of slot 2 to drive 1, CHIOGELEM of drive 1
print(get('/dev/sch0', 0x80146306, 20))
changer = os.open('/dev/sch0', os.O_RDWR)
fcntl.ioctl(changer, 0x40146301, struct.pack('5i', 1, 1, 3, 1, 0))
element = fcntl.ioctl(changer, 0x406c6310, struct.pack('2i', 3, 1) + b'\\0' * 100)
print(struct.unpack('6i', element[:24]), element[32:40])
try: os.write(os.open('/dev/sg1', os.O_RDWR), b'\\0' * 42)
except OSError as failed: print(failed.strerror)
END
python3 requests.py",
    );
    assert_eq!(
        out,
        "(30536,) (0, 0, 0, 1, 1, 2097184, 0, 0) (32768,)\n(512, 0) (256, 0) (0,)\n6000\n1 b'Ferric'\n(0, 1, 24, 4, 2)\n\
         (3, 1, 1, 0, 1, 1) b'V00002L8'\nFunction not implemented\n"
    );
}

#[test]
fn sg_io_with_one_buffer_and_with_several() {
    let directory = Directory::new();
    directory.write("sg_io.py", include_str!("sg_io.py"));
    let out = directory.succeed(&["--load", "V00001L8"], "python3 -u sg_io.py");
    let expected = [
        "(0, 0, 0, 0, 26, 0, b'') b'IBM     '",
        "26 b'IBM     ' b'ULT3580'",
        "2 1 0 8 0 1 5 0x20",
        "(0, 0, 0, 0, 0)",
        "8 b'first second'",
        "26 b'ULT3580-TD8'",
        "Function not implemented",
        "0",
        // After the block that SG_IO wrote.
        "first seconda line",
        "b'first seconda line\\n' 0",
        "",
    ];
    assert_eq!(out, expected.join("\n"));
}
