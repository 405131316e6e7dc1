"""Commands with tape drives in /dev."""

import subprocess
from pathlib import Path

import pytest

import ferric

WRITE = "import os; f = os.open('/dev/nst0', os.O_WRONLY); os.write(f, b'hello'); os.close(f)"
READ = "import os; f = os.open('/dev/nst0', os.O_RDONLY); print(os.read(f, 99)); os.close(f)"


def test_output_and_exit_code() -> None:
    done = ferric.run(["sh", "-c", "ls /dev/nst[01] && echo $FERRIC_CHANGER"])
    assert done.stdout.split() == ["/dev/nst0", "/dev/nst1", "/dev/sg0"]
    assert ferric.run(["sh", "-c", "exit 3"], check=False).returncode == 3
    with pytest.raises(ferric.RunError, match="exit status 5.\nthe tape is lost") as error:
        ferric.run(["sh", "-c", "echo the tape is lost >&2; exit 5"])
    assert isinstance(error.value, subprocess.CalledProcessError)


def test_library_that_stays(tmp_path: Path) -> None:
    keep = tmp_path / "tapes"
    ferric.run(["python3", "-c", WRITE], load=["V00001L8"], keep=keep)
    rewound = ["sh", "-c", f'mt -f /dev/nst0 rewind; python3 -c "{READ}"']
    assert ferric.run(rewound, restore=keep).stdout == "b'hello'\n"


def test_library_of_a_daemon(tape_library: ferric.Library, tmp_path: Path) -> None:
    tape_library.load("V00002L8")
    ferric.run(["python3", "-c", WRITE], library=tape_library)
    drive = tape_library.drive()
    drive.rewind()
    assert drive.read() == b"hello"
    drive.close()
    # A snapshot of it is a library for `ferric run`.
    snapshot = tape_library.snapshot(tmp_path / "snapshot")
    rewound = ["sh", "-c", f'mt -f /dev/nst0 rewind; python3 -c "{READ}"']
    assert ferric.run(rewound, restore=snapshot).stdout == "b'hello'\n"
