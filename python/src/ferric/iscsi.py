"""An iSCSI initiator (RFC 7143) for tests: one connection, one command at a time, no digests, no authentication."""

from __future__ import annotations

import itertools
import secrets
import select
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Final

from ferric.scsi import Response, Sense, Session, TransportError, encode_lun

DEFAULT_INITIATOR: Final = "iqn.2026-01.org.ferric-vtl:python"

_LOGIN, _COMMAND, _TASK_MANAGEMENT, _DATA_OUT, _LOGOUT, _NOP_OUT = 0x03, 0x01, 0x02, 0x05, 0x06, 0x00
_NOP_IN, _RESPONSE, _TASK_MANAGEMENT_RESPONSE, _LOGIN_RESPONSE = 0x20, 0x21, 0x22, 0x23
_DATA_IN, _LOGOUT_RESPONSE, _R2T, _ASYNC, _REJECT = 0x25, 0x26, 0x31, 0x32, 0x3F
_IMMEDIATE, _FINAL, _READ, _WRITE = 0x40, 0x80, 0x40, 0x20
_NO_TAG: Final = 0xFFFFFFFF
_LUN_RESET: Final = 5
_MAX_SEGMENT: Final = 1 << 20
"""Longest data segment that this side accepts; the target closes the connection rather than send a longer one."""
_PING_INTERVAL_S: Final = 5.0

_LOGIN_ERRORS: Final = {
    0x0200: "the target refused the initiator",
    0x0201: "the target requires authentication (CHAP), which this initiator does not have",
    0x0202: "the target does not admit this initiator",
    0x0203: "there is no target of this name",
    0x0302: "the target has no resources for another session",
}


class _Pdu:
    """A received PDU: its basic header segment and its data segment."""

    def __init__(self, header: bytes, data: bytes) -> None:
        self.header = header
        self.data = data
        self.opcode = header[0] & 0x3F
        self.flags = header[1]

    def number(self, offset: int) -> int:
        return int.from_bytes(self.header[offset : offset + 4], "big")


class IscsiSession(Session):
    """A session of iSCSI with one connection. A thread answers the pings of the target while no command runs.

    ``isid`` has six bytes; with the same initiator name and ISID, a new session replaces the former one (session
    reinstatement). By default it is random, so that each session is another I_T nexus.
    """

    def __init__(
        self,
        address: tuple[str, int],
        target: str,
        *,
        initiator: str = DEFAULT_INITIATOR,
        isid: bytes | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._isid = isid if isid is not None else b"\x80" + secrets.token_bytes(3) + b"\0\0"
        if len(self._isid) != 6:
            raise ValueError(f"isid has {len(self._isid)} bytes; expected 6")
        self._tags = itertools.count(1)
        self._command_number = 1
        self._expected_status_number = 0
        self._limits = {"MaxRecvDataSegmentLength": 8192, "FirstBurstLength": 65536}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._socket = socket.create_connection(address, timeout)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._log_in(initiator, target)
        except BaseException:
            self._socket.close()
            raise
        threading.Thread(target=self._answer_pings, name="iscsi-ping", daemon=True).start()

    def command(self, lun: int, cdb: bytes, *, data_out: bytes = b"", data_in: int = 0) -> Response:
        if data_out and data_in:
            raise ValueError("a command has Data-Out or Data-In, not both")
        if not 1 <= len(cdb) <= 16:
            raise ValueError(f"the CDB has {len(cdb)} bytes; expected 1 to 16")
        with self._exchange():
            tag = next(self._tags)
            immediate = data_out[: min(self._limits["FirstBurstLength"], self._limits["MaxRecvDataSegmentLength"])]
            flags = _FINAL | (_WRITE if data_out else 0) | (_READ if data_in else 0) | 1
            expected = len(data_out) or data_in
            fields = struct.pack(">III", expected, self._next_command_number(), self._expected_status_number)
            header = bytes([_COMMAND, flags, 0, 0]) + _lengths(immediate) + encode_lun(lun) + _u32(tag) + fields
            self._send(header + cdb.ljust(16, b"\0"), immediate)
            return self._await_response(lun, tag, data_out, bytearray(data_in))

    def reset_lun(self, lun: int) -> None:
        with self._exchange():
            fields = struct.pack(">III", _NO_TAG, self._command_number, self._expected_status_number)
            header = bytes([_TASK_MANAGEMENT | _IMMEDIATE, _FINAL | _LUN_RESET, 0, 0]) + _lengths(b"") + encode_lun(lun)
            self._send(header + _u32(next(self._tags)) + fields + bytes(16), b"")
            response = self._receive_one(_TASK_MANAGEMENT_RESPONSE)
        if response.header[2] != 0:
            raise TransportError(f"LOGICAL UNIT RESET of LUN {lun}: the target responds with {response.header[2]}")

    def close(self) -> None:
        if self._closed.is_set():
            return
        try:
            with self._exchange():
                fields = struct.pack(">III", 0, self._next_command_number(), self._expected_status_number)
                header = bytes([_LOGOUT, _FINAL, 0, 0]) + _lengths(b"") + bytes(8) + _u32(next(self._tags))
                self._send(header + fields + bytes(16), b"")
                self._receive_one(_LOGOUT_RESPONSE)
        except OSError:
            pass  # The target has closed the connection before.
        self._abandon()

    def _exchange(self) -> _Exchange:
        if self._closed.is_set():
            raise TransportError("the session is closed")
        return _Exchange(self)

    def _abandon(self) -> None:
        self._closed.set()
        self._socket.close()

    def _next_command_number(self) -> int:
        number = self._command_number
        self._command_number = (number + 1) & 0xFFFFFFFF
        return number

    def _log_in(self, initiator: str, target: str) -> None:
        keys = {
            "InitiatorName": initiator,
            "TargetName": target,
            "SessionType": "Normal",
            "HeaderDigest": "None",
            "DataDigest": "None",
            "InitialR2T": "Yes",
            "ImmediateData": "Yes",
            "MaxRecvDataSegmentLength": str(_MAX_SEGMENT),
            "FirstBurstLength": str(_MAX_SEGMENT),
            "MaxBurstLength": str(16 << 20),
            "MaxOutstandingR2T": "1",
            "DataPDUInOrder": "Yes",
            "DataSequenceInOrder": "Yes",
            "ErrorRecoveryLevel": "0",
        }
        text = b"".join(f"{key}={value}\0".encode() for key, value in keys.items())
        tag, answers = next(self._tags), b""
        for _ in range(16):
            # From the operational stage (1) to the full feature phase (3).
            fields = struct.pack(">III", 0, self._command_number, self._expected_status_number)
            header = bytes([_LOGIN | _IMMEDIATE, _FINAL | 1 << 2 | 3, 0, 0]) + _lengths(text) + self._isid + b"\0\0"
            self._send(header + _u32(tag) + fields + bytes(16), text)
            response = self._receive_one(_LOGIN_RESPONSE)
            status = response.header[36] << 8 | response.header[37]
            if status != 0:
                reason = _LOGIN_ERRORS.get(status, "the login failed")
                raise TransportError(f"login to {target}: {reason} (status {status:04X}h)")
            answers, text = answers + response.data, b""
            if response.flags & _FINAL:
                return self._negotiated(answers)
        raise TransportError(f"login to {target}: the target does not end the login")

    def _negotiated(self, answers: bytes) -> None:
        for answer in answers.split(b"\0"):
            key, _, value = answer.decode("utf-8", "replace").partition("=")
            if key in self._limits and value.isdecimal():
                self._limits[key] = int(value)
            if key == "ImmediateData" and value == "No":
                self._limits["FirstBurstLength"] = 0

    def _await_response(self, lun: int, tag: int, data_out: bytes, data_in: bytearray) -> Response:
        received = 0
        while True:
            pdu = self._receive()
            if pdu.number(16) != tag:
                raise TransportError(f"PDU {pdu.opcode:02X}h has the task tag {pdu.number(16)}; expected {tag}")
            if pdu.opcode == _R2T:
                self._send_data(lun, pdu, data_out)
            elif pdu.opcode == _DATA_IN:
                offset, end = pdu.number(40), pdu.number(40) + len(pdu.data)
                if end > len(data_in):
                    raise TransportError(f"Data-In of bytes {offset} to {end}; expected at most {len(data_in)}")
                data_in[offset:end] = pdu.data
                received = max(received, end)
                if pdu.flags & 1:
                    return Response(pdu.header[3], None, bytes(data_in[:received]), _residual(pdu))
            elif pdu.opcode == _RESPONSE:
                if pdu.header[2] != 0:
                    raise TransportError(f"the target could not execute the command (response {pdu.header[2]:02X}h)")
                sense = Sense.parse(pdu.data[2 : 2 + int.from_bytes(pdu.data[:2], "big")])
                return Response(pdu.header[3], sense, bytes(data_in[:received]), _residual(pdu))
            else:
                raise TransportError(f"unexpected PDU {pdu.opcode:02X}h")

    def _send_data(self, lun: int, r2t: _Pdu, data_out: bytes) -> None:
        begin, length = r2t.number(40), r2t.number(44)
        if begin + length > len(data_out):
            raise TransportError(f"R2T of bytes {begin} to {begin + length}; the command has {len(data_out)}")
        segment = self._limits["MaxRecvDataSegmentLength"]
        for number, offset in enumerate(range(begin, begin + length, segment)):
            data = data_out[offset : min(offset + segment, begin + length)]
            is_last = offset + len(data) == begin + length
            header = bytes([_DATA_OUT, _FINAL if is_last else 0, 0, 0]) + _lengths(data) + encode_lun(lun)
            tags = r2t.header[16:24]
            numbers = struct.pack(">IIIIII", 0, self._expected_status_number, 0, number, offset, 0)
            self._send(header + tags + numbers, data)

    def _send(self, header: bytes, data: bytes) -> None:
        assert len(header) == 48
        self._socket.sendall(header + data + bytes(-len(data) % 4))

    def _receive_one(self, opcode: int) -> _Pdu:
        pdu = self._receive()
        if pdu.opcode != opcode:
            raise TransportError(f"PDU {pdu.opcode:02X}h; expected {opcode:02X}h")
        return pdu

    def _receive(self) -> _Pdu:
        """The next PDU that belongs to a request of this side."""
        for pdu in self._pdus():
            if pdu.opcode not in (_R2T, _NOP_IN) and not (pdu.opcode == _DATA_IN and not pdu.flags & 1):
                self._expected_status_number = (pdu.number(24) + 1) & 0xFFFFFFFF
            if pdu.opcode == _REJECT:
                raise TransportError(f"the target rejected a PDU (reason {pdu.header[2]:02X}h)")
            if pdu.opcode == _NOP_IN:
                self._answer_ping(pdu)
            elif pdu.opcode == _ASYNC:
                # 0 is an event of SCSI; all others end the session or the connection.
                if pdu.header[36] != 0:
                    raise TransportError(f"the target ends the session (event {pdu.header[36]})")
            else:
                return pdu
        raise TransportError("the target closed the connection")

    def _pdus(self) -> Iterator[_Pdu]:
        while header := self._read(48, may_end=True):
            length = int.from_bytes(header[5:8], "big")
            if length > _MAX_SEGMENT:
                raise TransportError(f"PDU {header[0] & 0x3F:02X}h with {length} bytes; at most {_MAX_SEGMENT} were agreed")
            self._read(header[4] * 4)
            yield _Pdu(header, self._read(length + -length % 4)[:length])

    def _read(self, length: int, *, may_end: bool = False) -> bytes:
        buffer = bytearray(length)
        view, done = memoryview(buffer), 0
        while done < length:
            count = self._socket.recv_into(view[done:])
            if count == 0:
                if may_end and done == 0:
                    return b""
                raise TransportError("the target closed the connection in a PDU")
            done += count
        return bytes(buffer)

    def _answer_ping(self, ping: _Pdu) -> None:
        if ping.number(20) == _NO_TAG:
            return
        header = bytes([_NOP_OUT | _IMMEDIATE, _FINAL, 0, 0]) + _lengths(b"") + ping.header[8:16] + _u32(_NO_TAG)
        fields = ping.header[20:24] + struct.pack(">II", self._command_number, self._expected_status_number)
        self._send(header + fields + bytes(16), b"")

    def _answer_pings(self) -> None:
        while not self._closed.wait(_PING_INTERVAL_S):
            if not self._lock.acquire(blocking=False):
                continue
            try:
                while select.select([self._socket], [], [], 0)[0]:
                    pdu = next(self._pdus(), None)
                    if pdu is None or pdu.opcode != _NOP_IN:
                        return self._abandon()
                    self._answer_ping(pdu)
            except (OSError, ValueError):
                return self._abandon()
            finally:
                self._lock.release()


class _Exchange:
    """The lock of a session while a request runs. After an error, the connection cannot be used: its next PDU is unknown."""

    def __init__(self, session: IscsiSession) -> None:
        self._session = session

    def __enter__(self) -> None:
        self._session._lock.acquire()

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is not None:
            self._session._abandon()
        self._session._lock.release()


def _lengths(data: bytes) -> bytes:
    """TotalAHSLength and DataSegmentLength."""
    return len(data).to_bytes(4, "big")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _residual(pdu: _Pdu) -> int:
    if pdu.flags & 0x04:
        return -pdu.number(44)
    return pdu.number(44) if pdu.flags & 0x02 else 0
