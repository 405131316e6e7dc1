//! What programs find in `/dev`, `/sys` and `/proc`.

use crate::compatibility::record;
use crate::{Directory, assert_contains};
use iscsid::Portal;
use vtl::Library;
use vtl::frontend::Frontend;

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
    record(&[["lsscsi", "lsscsi", "-g, -v: list of all units"], ["sg3_utils", "sg3-utils", "sg_map, sg_scan"]]);
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
fn names_relative_to_a_directory_and_links() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "here=$PWD
         cd /dev && mt -f nst0 tell && stat -c '%n %F' nst0 ./sg1 ../dev/sch0 && ls -l nst1 | cut -c 1-10
         cd tape/by-id && /bin/pwd && mt -f $(for name in *-nst; do [ $(readlink $name) = ../../nst0 ] && echo $name; done) tell && cd -P .. && cd -P .. && /bin/pwd && test -c null
         cd bsg && stat -c %F 0:0:0:1 && cd / && test -c dev/nst0 && file dev/nst0
         python3 -c \"import os; d = os.open('/dev', os.O_DIRECTORY); os.chdir('/dev/tape'); os.chdir('..'); \
            print(os.getcwd(), os.stat('nst0', dir_fd=d).st_rdev, os.path.exists('nst1'), os.path.exists('nst7'), \
            os.close(os.open('nst1', os.O_NONBLOCK, dir_fd=d))); os.fchdir(d); print(os.path.realpath('sg0'))\"
         cd $here && ln -s /dev/nst0 link && ln -s $(printf '../%.0s' $(seq 12))dev/nst0 relative && ln -s link second
         tar -cf link /etc/passwd 2>/dev/null && mt -f second tell && stat -L -c %F relative && readlink -f relative second
         cp -L /dev/tape/by-path/none . 2>&1 || true
         test ! -e dev/nst0 && echo none",
    );
    assert_eq!(
        out,
        "At block 0.\nnst0 character special file\n./sg1 character special file\n../dev/sch0 character special file\n\
         crw-rw----\n/dev/tape/by-id\nAt block 0.\n/dev\ncharacter special file\n\
         dev/nst0: character special (9/128)\n/dev 2432 True False None\n/dev/sg0\nAt block 2.\n\
         character special file\n/dev/nst0\n/dev/nst0\n\
         cp: cannot stat '/dev/tape/by-path/none': No such file or directory\nnone\n"
    );
}

#[test]
fn listings_and_patterns_have_the_nodes() {
    let directory = Directory::new();
    directory.write("scan.c", include_str!("scan.c"));
    let out = directory.succeed(
        &[],
        "cc -O2 -Wall -Werror -o scan scan.c
         echo /dev/nst? /dev/null
         cd /dev; echo nst? nul[l]
         dash -c 'echo sg* /dev/sch*'; dash -c 'cd / && echo dev/st?'
         find /dev -maxdepth 1 -type c -name 'nst[01]' | sort; find . -maxdepth 1 -name null -type c
         find /dev/tape/by-id -name '*-changer' -type l | wc -l; find bsg -type c | wc -l
         ls /dev | grep -c -x -e null -e nst0 -e tape; ls /sys/class | grep -c scsi_tape; ls -f /proc | grep -c -x scsi
         python3 -c \"import glob, os; print(sorted(glob.glob('nst?') + glob.glob('/dev/sch*')), \
            [entry.is_file() for entry in os.scandir('/dev') if entry.name == 'sg0'], len(os.listdir('/sys/class/scsi_tape')))\"
         cd - > /dev/null; ./scan",
    );
    assert_eq!(
        out,
        "/dev/nst0 /dev/nst1 /dev/null\nnst0 nst1 null\nsg0 sg1 sg2 /dev/sch0\ndev/st0 dev/st1\n\
         /dev/nst0\n/dev/nst1\n./null\n1\n3\n3\n1\n1\n['/dev/sch0', 'nst0', 'nst1'] [False] 16\n\
         glob /dev/nst0 /dev/nst0a /dev/nst0l /dev/nst0m nst: /dev/null\n\
         scandir nst0 nst0a nst0l nst0m, types 2 2 2 2\nreaddir twice: 2 nst0, 2 null\n\
         seekdir nst0 null sch0, after null: 1 nst0\n"
    );
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

/// Each reset is a unit attention for every I_T nexus: 29h/03h or 29h/02h.
#[test]
fn resets_are_unit_attentions() {
    let site = Library::builder().drives("ULT3580-TD8", 1).cartridges("A1L8", 1, "64MB").frontend(Frontend::ISCSI);
    let site = site.open().unwrap();
    let portal = Portal::on_free_port(&site).unwrap();
    let address = portal.address().to_string();
    let directory = Directory::new();
    directory.write("reset.py", include_str!("reset.py"));
    let script = "python3 reset.py";
    let (of_unit, of_target) = ("6/29/03", "6/29/02");
    let mut expected = String::new();
    for (kind, drive, changer) in [
        (0, "none", "none"),
        (1, of_unit, "none"),
        (0x101, of_unit, "none"),
        (4, of_target, of_target),
        (2, of_target, of_target),
        (3, of_target, of_target),
    ] {
        expected += &format!("{kind} done {drive} / {changer}\n");
    }
    expected += "7 Input/output error none / none\n";
    assert_eq!(directory.succeed(&["--load", "V00001L8"], script), expected);
    assert_eq!(
        directory.succeed(&["--portal", &address], &format!("mtx -f /dev/sg0 load 1 0 >&2; {script}")),
        expected
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
