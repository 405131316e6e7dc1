"""Commands and responses of SCSI, for every transport: :class:`Session`, :class:`Drive` and :class:`Changer`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, TypeVar

GOOD: Final = 0x00
CHECK_CONDITION: Final = 0x02
BUSY: Final = 0x08
RESERVATION_CONFLICT: Final = 0x18
TASK_SET_FULL: Final = 0x28
TASK_ABORTED: Final = 0x40

_STATUS_NAMES: Final[Mapping[int, str]] = {
    GOOD: "GOOD",
    CHECK_CONDITION: "CHECK CONDITION",
    BUSY: "BUSY",
    RESERVATION_CONFLICT: "RESERVATION CONFLICT",
    TASK_SET_FULL: "TASK SET FULL",
    TASK_ABORTED: "TASK ABORTED",
}

_SENSE_KEY_NAMES: Final = (
    "NO SENSE",
    "RECOVERED ERROR",
    "NOT READY",
    "MEDIUM ERROR",
    "HARDWARE ERROR",
    "ILLEGAL REQUEST",
    "UNIT ATTENTION",
    "DATA PROTECT",
    "BLANK CHECK",
    "VENDOR SPECIFIC",
    "COPY ABORTED",
    "ABORTED COMMAND",
    "RESERVED",
    "VOLUME OVERFLOW",
    "MISCOMPARE",
    "COMPLETED",
)

UNIT_ATTENTION: Final = 0x6

_SelfSession = TypeVar("_SelfSession", bound="Session")


@dataclass(frozen=True)
class Sense:
    """Sense data, in fixed or descriptor format (SPC)."""

    key: int
    asc: int
    ascq: int
    filemark: bool
    """FILEMARK: the command stopped at a filemark."""
    eom: bool
    """EOM: the tape is at or behind early warning, or at the beginning of a partition."""
    ili: bool
    """ILI: the block does not have the requested length."""
    information: int | None
    """INFORMATION as a signed number, if it is valid: for READ, the requested length minus that of the block."""
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Sense | None:
        """Decodes sense data; ``None`` if it is too short or of another format."""
        code = raw[0] & 0x7F if raw else 0
        if code in (0x70, 0x71) and len(raw) >= 14:
            information = int.from_bytes(raw[3:7], "big", signed=True) if raw[0] & 0x80 else None
            return cls(raw[2] & 0x0F, raw[12], raw[13], *_flags(raw[2]), information, raw)
        if code in (0x72, 0x73) and len(raw) >= 8:
            return cls._parse_descriptors(raw)
        return None

    @classmethod
    def _parse_descriptors(cls, raw: bytes) -> Sense:
        information, flags, rest = None, 0, raw[8:]
        while len(rest) >= 2:
            descriptor, rest = rest[: 2 + rest[1]], rest[2 + rest[1] :]
            if descriptor[0] == 0x00 and len(descriptor) >= 12 and descriptor[2] & 0x80:
                information = int.from_bytes(descriptor[4:12], "big", signed=True)
            elif descriptor[0] == 0x04 and len(descriptor) >= 4:
                flags = descriptor[3]
        return cls(raw[1] & 0x0F, raw[2], raw[3], *_flags(flags), information, raw)

    @property
    def codes(self) -> tuple[int, int, int]:
        """Sense key, ASC and ASCQ."""
        return self.key, self.asc, self.ascq

    def __str__(self) -> str:
        flags = [name for name, on in (("FILEMARK", self.filemark), ("EOM", self.eom), ("ILI", self.ili)) if on]
        return " ".join([f"{_SENSE_KEY_NAMES[self.key]} {self.asc:02X}h/{self.ascq:02X}h", *flags])


def _flags(byte: int) -> tuple[bool, bool, bool]:
    """FILEMARK, EOM and ILI, as in byte 2 of fixed-format sense data."""
    return bool(byte & 0x80), bool(byte & 0x40), bool(byte & 0x20)


@dataclass(frozen=True)
class Response:
    """The end of a command: status, sense data and Data-In."""

    status: int
    sense: Sense | None
    data: bytes
    """Data-In."""
    residual: int = 0
    """Bytes of the expected transfer that were not transferred; negative if the command had more than that."""

    def check(self) -> bytes:
        """The data of a command that ended with GOOD. Raises :class:`CommandError` for any other status."""
        if self.status != GOOD:
            raise CommandError(self)
        return self.data


class CommandError(Exception):
    """A command ended with another status than GOOD."""

    def __init__(self, response: Response) -> None:
        name = _STATUS_NAMES.get(response.status, f"status {response.status:02X}h")
        super().__init__(f"{name}, {response.sense}" if response.sense else name)
        self.response = response

    @property
    def codes(self) -> tuple[int, int, int] | None:
        """Sense key, ASC and ASCQ; ``None`` without sense data."""
        return self.response.sense.codes if self.response.sense else None


class TransportError(ConnectionError):
    """The connection failed, or the other side does not follow the protocol."""


def encode_lun(number: int) -> bytes:
    """A LUN in eight bytes: peripheral device addressing up to 255, flat space addressing above (SAM-5)."""
    if not 0 <= number < 0x4000:
        raise ValueError(f"LUN {number}; expected 0 to 16383")
    return (number if number < 256 else number | 0x4000).to_bytes(2, "big") + bytes(6)


class Session(ABC):
    """An I_T nexus: one initiator port that is logged in to one target. It serves one thread at a time."""

    @abstractmethod
    def command(self, lun: int, cdb: bytes, *, data_out: bytes = b"", data_in: int = 0) -> Response:
        """Sends a command to a LUN and waits for its response.

        ``data_out`` is the Data-Out, ``data_in`` the number of bytes of Data-In that are accepted; a command has one
        of them at most.
        """

    @abstractmethod
    def reset_lun(self, lun: int) -> None:
        """LOGICAL UNIT RESET: aborts the commands of all hosts and raises a unit attention for each of them."""

    @abstractmethod
    def close(self) -> None:
        """Logs out and closes the connection."""

    def clear_unit_attentions(self, lun: int) -> None:
        """Sends TEST UNIT READY until no unit attention is pending."""
        for _ in range(64):
            sense = self.command(lun, bytes(6)).sense
            if sense is None or sense.key != UNIT_ATTENTION:
                return

    def __enter__(self: _SelfSession) -> _SelfSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Inquiry:
    """Standard INQUIRY data."""

    device_type: int
    """PERIPHERAL DEVICE TYPE: 01h for a tape drive, 08h for a medium changer."""
    vendor: str
    product: str
    revision: str


class Unit:
    """A logical unit of a session."""

    def __init__(self, session: Session, lun: int) -> None:
        self.session = session
        self.lun = lun

    def command(self, cdb: bytes, *, data_out: bytes = b"", data_in: int = 0) -> Response:
        """Sends a CDB and returns the response, whatever its status; see :meth:`Session.command`."""
        return self.session.command(self.lun, cdb, data_out=data_out, data_in=data_in)

    def test_unit_ready(self) -> None:
        """TEST UNIT READY. Raises :class:`CommandError` if the unit is not ready."""
        self.command(bytes(6)).check()

    def inquiry(self) -> Inquiry:
        """INQUIRY, standard data."""
        data = self.command(bytes([0x12, 0, 0, 0, 96, 0]), data_in=96).check()
        vendor, product, revision = (
            data[begin:end].decode("ascii").strip() for begin, end in ((8, 16), (16, 32), (32, 36))
        )
        return Inquiry(data[0] & 0x1F, vendor, product, revision)

    def clear_unit_attentions(self) -> None:
        """Sends TEST UNIT READY until no unit attention is pending."""
        self.session.clear_unit_attentions(self.lun)

    def reset(self) -> None:
        """LOGICAL UNIT RESET."""
        self.session.reset_lun(self.lun)

    def close(self) -> None:
        """Logs out and closes the connection of the session."""
        self.session.close()


class Drive(Unit):
    """A tape drive in variable-block mode."""

    def write(self, block: bytes) -> None:
        """WRITE(6) of one block of at most 16 MiB - 1. Raises :class:`CommandError`, also for early warning."""
        self.command(bytes([0x0A, 0]) + len(block).to_bytes(3, "big") + b"\0", data_out=block).check()

    def read(self, length: int = 1 << 20) -> bytes | None:
        """READ(6) of the next block, of at most ``length`` bytes; ``None`` at a filemark, after which the tape then is.

        A shorter block is returned as it is. Raises :class:`CommandError` for a longer one, and at end of data.
        """
        response = self.command(bytes([0x08, 0]) + length.to_bytes(3, "big") + b"\0", data_in=length)
        sense = response.sense
        if sense is not None and sense.filemark:
            return None
        if sense is not None and sense.key == 0 and sense.ili and (sense.information or 0) > 0:
            return response.data  # A shorter block.
        return response.check()

    def write_filemarks(self, count: int = 1) -> None:
        """WRITE FILEMARKS(6), synchronised: all data before it is on the medium."""
        self.command(bytes([0x10, 0]) + count.to_bytes(3, "big") + b"\0").check()

    def rewind(self) -> None:
        """REWIND."""
        self.command(bytes([0x01, 0, 0, 0, 0, 0])).check()

    def space_filemarks(self, count: int) -> None:
        """SPACE(6) over filemarks; a negative count spaces backwards."""
        self.command(bytes([0x11, 0x01]) + count.to_bytes(3, "big", signed=True) + b"\0").check()

    def space_end_of_data(self) -> None:
        """SPACE(6) to end of data."""
        self.command(bytes([0x11, 0x03, 0, 0, 0, 0])).check()

    def locate(self, block: int) -> None:
        """LOCATE(10) to a logical object of the current partition."""
        self.command(bytes([0x2B, 0, 0]) + block.to_bytes(4, "big") + bytes(3)).check()

    def position(self) -> int:
        """READ POSITION, short form: the number of the next logical object."""
        data = self.command(bytes([0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]), data_in=20).check()
        return int.from_bytes(data[4:8], "big")


class Changer(Unit):
    """A medium changer."""

    def move_medium(self, source: int, destination: int, transport: int = 0) -> None:
        """MOVE MEDIUM between two element addresses, with the default robot."""
        addresses = b"".join(address.to_bytes(2, "big") for address in (transport, source, destination))
        self.command(bytes([0xA5, 0]) + addresses + bytes(4)).check()

    def initialize_element_status(self) -> None:
        """INITIALIZE ELEMENT STATUS."""
        self.command(bytes([0x07, 0, 0, 0, 0, 0])).check()
