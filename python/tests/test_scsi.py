"""Sense data and values on the wire, without a daemon."""

import pytest

from ferric import CommandError, Response, Sense, _toml
from ferric.scsi import encode_lun


def test_fixed_sense() -> None:
    # READ of a 7-byte block with 12 asked: ILI, INFORMATION 5; then one of a longer block: INFORMATION -4.
    sense = Sense.parse(bytes.fromhex("f0 00 20 00000005 0a 00000000 00 00 00 000000"))
    assert sense is not None
    assert (sense.codes, sense.ili, sense.filemark, sense.eom, sense.information) == ((0, 0, 0), True, False, False, 5)
    longer = Sense.parse(bytes.fromhex("f0 00 20 fffffffc 0a 00000000 00 00 00 000000"))
    assert longer is not None and longer.information == -4
    filemark = Sense.parse(bytes.fromhex("70 00 80 00000001 0a 00000000 00 01 00 000000"))
    assert filemark is not None and filemark.information is None
    assert str(filemark) == "NO SENSE 00h/01h FILEMARK"


def test_descriptor_sense() -> None:
    raw = bytes.fromhex("72 03 11 00 00 00 00 10 00 0a 80 00 0000000000000005 04 02 00 60")
    sense = Sense.parse(raw)
    assert sense is not None
    assert (sense.codes, sense.information, sense.eom, sense.ili) == ((3, 0x11, 0), 5, True, True)


@pytest.mark.parametrize("raw", [b"", b"\x70", bytes(13), b"\x7f" + bytes(17), b"\x72\x00\x00"])
def test_no_sense(raw: bytes) -> None:
    assert Sense.parse(raw) is None


def test_descriptors_that_are_cut() -> None:
    assert Sense.parse(bytes.fromhex("72 05 24 00 00 00 00 04 00 0a 80")) is not None
    assert Sense.parse(bytes.fromhex("72 05 24 00 00 00 00 04 04 00")) is not None


def test_error_text() -> None:
    sense = Sense.parse(bytes.fromhex("70 00 06 00000000 0a 00000000 28 00 00 000000"))
    assert str(CommandError(Response(2, sense, b""))) == "CHECK CONDITION, UNIT ATTENTION 28h/00h"
    assert str(CommandError(Response(0x18, None, b""))) == "RESERVATION CONFLICT"
    assert str(CommandError(Response(0x30, None, b""))) == "status 30h"


@pytest.mark.parametrize(("number", "text"), [(0, "0000"), (255, "00ff"), (256, "4100"), (1000, "43e8")])
def test_luns(number: int, text: str) -> None:
    assert encode_lun(number) == bytes.fromhex(text) + bytes(6)


def test_lun_out_of_range() -> None:
    with pytest.raises(ValueError, match="LUN 16384; expected 0 to 16383"):
        encode_lun(0x4000)


def test_toml() -> None:
    document = {
        "library": [{"drive": [{"model": "A", "count": 2}], "slots": 4, "first": {"slots": 1}, "none": None}],
        "time": 'say "x"\n\x01',
        "odd key": [1, 2.5, True, "\\"],
    }
    text = _toml.dumps(document)
    assert text == (
        'time = "say \\"x\\"\\n\\u0001"\n"odd key" = [1, 2.5, true, "\\\\"]\n'
        '[[library]]\nslots = 4\n[[library.drive]]\nmodel = "A"\ncount = 2\n[library.first]\nslots = 1\n'
    )
    with pytest.raises(TypeError, match=r"iscsi\.bind: TOML has no value for b'x'"):
        _toml.dumps({"iscsi": {"bind": b"x"}})
