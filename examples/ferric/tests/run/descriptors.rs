//! Descriptors of devices: redirection, duplication, inheritance, threads.

use crate::{Directory, assert_contains};

#[test]
fn redirections_of_shells() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "mkdir d && echo text > d/a
         tar c d > /dev/nst0
         mt -f /dev/nst0 rewind
         cat < /dev/nst0 | tar t
         mt -f /dev/nst0 rewind
         echo builtin > /dev/nst0
         mt -f /dev/nst0 tell
         mt -f /dev/nst0 rewind
         cat /dev/nst0
         mt -f /dev/nst0 rewind
         exec 3> /dev/nst0 4>&3
         echo first >&3; exec 3>&-; echo second >&4
         { mt -f /dev/nst0 status 2>&1 || true; } | grep busy
         exec 4>&-
         mt -f /dev/nst0 tell
         mt -f /dev/nst0 rewind
         dd if=/dev/nst0 bs=64k status=none
         mt -f /dev/nst0 rewind
         (printf 'one' && printf 'two') > /dev/st0
         dd if=/dev/nst0 bs=64k status=none",
    );
    assert_eq!(
        out,
        "d/\nd/a\nAt block 2.\nbuiltin\n/dev/nst0: Device or resource busy\nAt block 3.\nfirst\nsecond\nonetwo"
    );
}

#[test]
fn streams_of_standard_input_and_output() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "printf 'c\\nb\\na\\n' | sort > /dev/nst0
         mt -f /dev/nst0 rewind
         sed -n 2p < /dev/nst0
         mt -f /dev/nst0 rewind
         awk '{ print \"line\", $1 }' < /dev/nst0
         mt -f /dev/nst0 rewind
         sort -r < /dev/nst0 | tr '\\n' ' '",
    );
    assert_eq!(out, "b\nline a\nline b\nline c\nc b a ");
}

#[test]
fn streams_of_the_c_library() {
    let directory = Directory::new();
    directory.write("streams.c", include_str!("streams.c"));
    let ended = directory.run(
        &["--load", "V00001L8"],
        "cc -O2 -Wall -Werror -D_FORTIFY_SOURCE=2 -o streams streams.c; echo from-file > file
         mt -f /dev/nst0 rewind && printf 'one\\ntwo\\n' > /dev/nst0 && printf 'three\\n' > /dev/nst0
         rewind() { mt -f /dev/nst0 rewind; }
         rewind; ./streams fdopen; rewind; ./streams getline; rewind; echo pipe | ./streams dup2
         rewind; ./streams freopen-input; rewind; ./streams freopen-other; rewind; ./streams inherited 3< /dev/nst0
         rewind; ./streams write; rewind; cat /dev/nst0; rewind; ./streams output; rewind; cat /dev/nst0
         rewind; timeout 10 ./streams other; rewind; dd if=/dev/zero of=/dev/nst0 bs=8192 count=1 status=none; rewind; ./streams large",
    );
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    assert_eq!(
        ended.out,
        "number 3: one two end of file 0\n\
         one two (end) three (end)\n\
         one two pipe\n\
         one two\none two (end)\none two\n\
         number 3, closed 0\na line\nsecond line\n\
         first of output\nlast of output\n\
         end of file 1 error 0\n\
         error 1 Cannot allocate memory\n"
    );
    assert_contains(&ended.err, &["ferric run: a stream (FILE) has a descriptor that has become a device by dup2"]);
}

#[test]
fn a_descriptor_is_shared_by_processes_and_threads() {
    let directory = Directory::new();
    directory.write("storm.py", include_str!("storm.py"));
    let out = directory.succeed(&["--load", "V00001L8"], "python3 storm.py");
    assert_contains(&out, &["blocks 1360 of which 130 by programs", "opens that had the tape alone: ok"]);
}

#[test]
fn a_thousand_processes_and_many_threads() {
    let directory = Directory::new();
    directory.write("storm.c", include_str!("storm.c"));
    let out = directory.succeed(&["--load", "V00001L8"], "cc -O2 -Wall -Werror -pthread -o storm storm.c; ./storm");
    assert_eq!(out, "1000 blocks\nthreads have ended\n");
}

#[test]
fn threads_use_one_tape_and_open_other_devices() {
    let directory = Directory::new();
    directory.write("threads.c", include_str!("threads.c"));
    let build = "cc -O2 -Wall -Werror -pthread -o threads threads.c";
    assert_eq!(directory.succeed(&["--load", "V00001L8"], &format!("{build}; ./threads")), "block 640\n");
}

#[test]
fn close_on_exec_and_status_flags() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "echo data > /dev/nst0 && mt -f /dev/nst0 rewind
         cat > flags.py <<'END'
import os, fcntl, select, subprocess
tape = os.open('/dev/nst0', os.O_RDONLY)
print(fcntl.fcntl(tape, fcntl.F_GETFL) & 3, fcntl.fcntl(tape, fcntl.F_GETFD), os.lseek(tape, 10, 0), os.isatty(tape))
for refused in (lambda: os.sendfile(1, tape, None, 10), lambda: os.splice(tape, 1, 10)):
    try: refused()
    except OSError as failed: print(failed.strerror)
print(select.select([tape], [tape], [], 0)[0] == [tape])
copy = fcntl.fcntl(tape, fcntl.F_DUPFD_CLOEXEC, 20)
print(copy >= 20, fcntl.fcntl(copy, fcntl.F_GETFD), os.read(copy, 10))
test = 'test -e /proc/self/fd/%d && echo inherited || echo closed' % tape
subprocess.run(['sh', '-c', test], close_fds=False)
os.set_inheritable(tape, True)
subprocess.run(['sh', '-c', test], close_fds=False)
os.closerange(3, 4096)
os.close(os.open('/dev/nst0', os.O_WRONLY))
for attempt in (lambda: os.pread(os.open('/dev/nst0', os.O_RDONLY), 10, 0), lambda: os.fstat(4000)):
    try: attempt()
    except OSError as failed: print(failed.strerror)
END
python3 flags.py",
    );
    assert_eq!(
        out,
        "0 1 0 False\nInvalid argument\nInvalid argument\nTrue\nTrue 1 b'data\\n'\nclosed\ninherited\nIllegal seek\nBad file descriptor\n"
    );
}

#[test]
fn bad_addresses_are_efault() {
    let directory = Directory::new();
    let out = directory.succeed(
        &["--load", "V00001L8"],
        "cat > addresses.py <<'END'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
tape = os.open('/dev/nst0', os.O_RDWR)
generic = os.open('/dev/sg1', os.O_RDWR)
nowhere = ctypes.c_void_p(16)
for call in (
    lambda: libc.write(tape, nowhere, 100),
    lambda: libc.write(tape, nowhere, 100000),
    lambda: libc.ioctl(tape, ctypes.c_ulong(0x40086d01), nowhere),
    lambda: libc.ioctl(tape, ctypes.c_ulong(0x80306d02), nowhere),
    lambda: libc.ioctl(generic, ctypes.c_ulong(0x2285), nowhere),
    lambda: libc.writev(tape, nowhere, 2),
):
    print(call(), os.strerror(ctypes.get_errno()))
print(os.write(tape, b'still works'))
END
python3 addresses.py",
    );
    assert_eq!(out, "-1 Bad address\n".repeat(6) + "11\n");
}
