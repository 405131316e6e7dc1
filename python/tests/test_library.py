"""A library of a daemon, operated and used over iSCSI."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferric import (
    CommandError,
    ControlError,
    IscsiSession,
    Library,
    ProgramNotFoundError,
    StartError,
    StreamError,
    StreamSession,
    TransportError,
)
from ferric.library import Transport

ONE_DRIVE = {
    "library": [
        {
            "slots": 3,
            "import_export": 1,
            "drive": [{"model": "ULT3580-TD8"}],
            "cartridges": [{"pattern": "A#L8", "count": 2, "size": "64MB"}],
        }
    ]
}


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with Library(config=ONE_DRIVE) as library:
        yield library


@pytest.fixture(params=["stream", "iscsi"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return "iscsi" if request.param == "iscsi" else "stream"


def test_operator(library: Library) -> None:
    moved = library.load("A1L8")
    assert (moved.cartridge, moved.source, moved.destination, moved.refused) == ("A1L8", "slot1", "drive1", None)
    assert library.status()["libraries"][0]["drives"][0]["cartridge"] == "A1L8"
    assert library.unload("drive1").destination == "slot1"
    assert library.move("slot2", "io1").cartridge == "A2L8"
    assert library.export_cartridge("io1").destination is None
    assert library.import_cartridge("A2L8").destination == "io1"
    assert library.move("A2L8", "slot2").source == "io1"
    with pytest.raises(ControlError, match="slot2 holds A2L8") as error:
        library.move("slot1", "slot2")
    assert (error.value.code, error.value.fields["barcode"]) == ("conflict", "A1L8")


def test_blocks_and_filemarks(library: Library, transport: Transport) -> None:
    library.load("A1L8")
    # Immediate data only, and a block for which the target sends R2Ts.
    blocks = [b"x", os.urandom(300_000), os.urandom(5 << 20)]
    with library.drive(1, transport=transport).session as session:
        assert session.command(1, bytes(6)).status == 0
    drive = library.drive(1, transport=transport)
    for block in blocks:
        drive.write(block)
    drive.write_filemarks(2)
    assert drive.position() == 5
    drive.rewind()
    assert [drive.read(8 << 20) for _ in blocks] == blocks
    assert drive.read() is None
    drive.space_filemarks(-1)
    drive.locate(1)
    assert drive.read() == blocks[1]
    drive.space_end_of_data()
    with pytest.raises(CommandError, match="BLANK CHECK 00h/05h") as error:
        drive.read()
    assert error.value.codes == (8, 0, 5)
    drive.close()
    library.unload("drive1")


def test_a_longer_block_and_residuals(library: Library, transport: Transport) -> None:
    library.load("A2L8")
    drive = library.drive(1, transport=transport)
    drive.write(b"0123456789")
    drive.rewind()
    with pytest.raises(CommandError) as error:
        drive.read(4)
    sense = error.value.response.sense
    assert sense is not None and sense.ili and sense.information == -6
    assert error.value.response.data == b"0123"
    # An allocation length below, and above, the data of INQUIRY.
    assert len(drive.command(bytes([0x12, 0, 0, 0, 5, 0]), data_in=5).check()) == 5
    response = drive.command(bytes([0x12, 0, 0, 0, 8, 0]), data_in=20)
    assert (len(response.data), response.residual) == (8, 12)
    assert drive.command(bytes([0x12, 0, 0, 0, 36, 0]), data_in=20).residual == -16
    drive.close()
    library.unload("drive1")


def test_changer(library: Library) -> None:
    changer = library.changer()
    assert (changer.inquiry().device_type, changer.inquiry().vendor) == (8, "STK")
    changer.move_medium(1000, 500)
    assert library.status()["libraries"][0]["drives"][0]["cartridge"] == "A1L8"
    with pytest.raises(CommandError, match="ILLEGAL REQUEST"):
        changer.move_medium(1000, 500)
    changer.move_medium(500, 1000)
    changer.close()


def test_two_hosts(library: Library, transport: Transport) -> None:
    first, second = library.drive(1, transport=transport), library.drive(1, transport=transport)
    first.command(bytes([0x16, 0, 0, 0, 0, 0])).check()
    with pytest.raises(CommandError, match="RESERVATION CONFLICT"):
        second.command(bytes([0x16, 0, 0, 0, 0, 0])).check()
    # A reset of the unit ends the reservation and raises a unit attention for both.
    second.reset()
    for drive in (first, second):
        sense = drive.command(bytes(6)).sense
        assert sense is not None and (sense.key, sense.asc) == (6, 0x29)
    second.command(bytes([0x16, 0, 0, 0, 0, 0])).check()
    with pytest.raises(TransportError, match="LOGICAL UNIT RESET of LUN 9"):
        library.session(transport=transport).reset_lun(9)
    second.close()
    first.command(bytes([0x16, 0, 0, 0, 0, 0])).check()
    first.close()


def test_faults_and_trace(library: Library) -> None:
    last = max((command.seq for command in library.trace()), default=0)
    drive = library.drive(1)
    assert library.fault("busy", drive="drive1", count=2, name="often") == ["often"]
    assert [drive.command(bytes([0x12, 0, 0, 0, 36, 0]), data_in=36).status for _ in range(3)] == [8, 8, 0]
    assert [(fault["name"], fault["fired"], fault["active"]) for fault in library.faults()] == [("often", 2, False)]
    assert library.clear_faults() == ["often"]
    commands = [command for command in library.trace("drive1", since=last) if command.name == "INQUIRY"]
    assert [command.status for command in commands] == [8, 8, 0]
    assert commands[0].cdb.hex() == "120000002400"
    assert library.fault(script='[[fault]]\nkind = "robot_pick"\n') == ["fault1"]
    with pytest.raises(ControlError, match="slot1|pick"):
        library.load("A1L8")
    library.request("online", online=True)
    library.clear_faults()
    with pytest.raises(TypeError, match="either"):
        library.fault()
    with pytest.raises(ControlError):
        library.fault("no_such_kind")
    drive.close()


def test_lost_response_is_a_timeout(library: Library, transport: Transport) -> None:
    library.fault("drop_response", drive="drive1", commands=["INQUIRY"])
    session = library.session(transport=transport, timeout=1)
    session.clear_unit_attentions(1)
    with pytest.raises(TimeoutError):
        session.command(1, bytes([0x12, 0, 0, 0, 36, 0]), data_in=36)
    with pytest.raises(TransportError, match="closed"):
        session.command(1, bytes(6))
    library.clear_faults()


def test_refused_logins(library: Library, transport: Transport) -> None:
    with pytest.raises(TransportError, match="there is no target"):
        library.session("iqn.2026-01.example:none", transport=transport)
    with pytest.raises(ValueError, match="has no drive 2"):
        library.drive(2, transport=transport)
    with library.session(transport=transport) as session:
        with pytest.raises(ValueError, match="not both"):
            session.command(1, bytes(6), data_out=b"x", data_in=1)
        with pytest.raises(ValueError, match="256 bytes"):
            session.command(1, bytes(256))
    with pytest.raises(TransportError, match="the session is closed"):
        session.command(1, bytes(6))


def test_hosts_of_the_stream(library: Library) -> None:
    former = StreamSession(library.stream_socket, host=7)
    assert (former.host, former.target) == (7, library.targets[0])
    new = StreamSession(library.stream_socket, host=7)
    with pytest.raises(TransportError, match="closed the connection"):
        former.command(1, bytes(6))
    sense = new.command(1, bytes(6)).sense
    assert sense is not None and sense.codes == (6, 0x29, 7)
    new.close()
    with pytest.raises(StreamError, match="host number 80000000h") as error:
        StreamSession(library.stream_socket, host=1 << 31)
    assert error.value.number == 1
    with StreamSession(library.stream_socket) as session, pytest.raises(ValueError, match="16777217 bytes of data"):
        session.command(1, bytes(6), data_in=(16 << 20) + 1)


def test_pings_are_answered(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferric.iscsi._PING_INTERVAL_S", 0.05)
    session = library.session(transport="iscsi")
    assert isinstance(session, IscsiSession)
    # A NOP-Out that the target must answer: its answer is a PDU that arrives while no command runs.
    header = bytes([0x40, 0x80, 0, 0]) + bytes(12) + b"\0\0\0\x63" + b"\xff" * 4
    with session._lock:
        session._send(header + session._command_number.to_bytes(4, "big") + bytes(20), b"")
    time.sleep(0.5)
    assert session.command(1, bytes([0x12, 0, 0, 0, 36, 0]), data_in=36).status in (0, 2)
    session.close()


def test_snapshot_and_restore(tmp_path: Path) -> None:
    with Library(drives=1, slots=4, cartridges=2, size="64MB") as library:
        address = library.address
        library.load("V00001L8")
        drive = library.drive()
        drive.write(b"before")
        drive.write_filemarks()
        begin = library.snapshot(tmp_path / "begin")
        assert library.address == address
        with pytest.raises(OSError):
            drive.write(b"the session has ended")
        drive = library.drive()
        drive.rewind()
        drive.write(b"after")
        library.restore(begin)
        drive = library.drive()
        drive.rewind()
        assert drive.read() == b"before"
        drive.close()
        with pytest.raises(FileExistsError):
            library.snapshot(begin)
        assert library.status()["version"] == 2
    with Library(drives=1, slots=4, cartridges=2, size="64MB", restore=begin) as library:
        drive = library.drive()
        drive.rewind()
        assert drive.read() == b"before"
    with pytest.raises(FileNotFoundError, match="none"):
        Library(restore=tmp_path / "none").start()


def test_data_that_stays(tmp_path: Path) -> None:
    # The path of its control socket is too long for a socket address.
    data = tmp_path / ("d" * 100)
    for _ in range(2):
        with Library(cartridges=1, slots=2, data=data) as library:
            assert [cartridge["cartridge"] for cartridge in library.cartridges()] == ["V00001L8"]
    assert (data / "state.1").exists()


def test_everything_is_removed() -> None:
    with Library() as library:
        directory, pid = library._directory, int((library.data / "lock").read_text().split()[-1])
        os.kill(pid, 0)
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="not started"):
        library.status()


def test_a_killed_python_leaves_no_daemon() -> None:
    script = "import ferric, time; l = ferric.Library().start(); print(l.data, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    data = Path(process.stdout.readline().strip())
    pid = int((data / "lock").read_text().split()[-1])
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 30
    while data.parent.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not data.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_errors_of_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="slot"):
        Library(config="[[library]]\nslot = 4\n").start()
    with pytest.raises(StartError, match="unexpected argument"):
        Library(arguments=["--no-such-option"]).start()
    monkeypatch.setenv("FERRIC_PROGRAMS", str(tmp_path))
    with pytest.raises(ProgramNotFoundError, match="has no program ferric-iscsid"):
        Library().start()
