"""A client of the stream of commands over a Unix socket (``docs/stream.md``)."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from pathlib import Path
from typing import Final

from ferric.control import connect_unix
from ferric.scsi import Response, Sense, Session, TransportError, encode_lun

STREAM_VERSION: Final = 1
"""The version of the stream that this client has."""

_OPEN, _COMMAND, _RESET = 0x01, 0x02, 0x03
_OPENED, _RESPONSE, _RESET_DONE, _ERROR = 0x81, 0x82, 0x83, 0x8F
_MAX_DATA: Final = 16 << 20
_MAX_BODY: Final = _MAX_DATA + 1024


class StreamError(TransportError):
    """The daemon refused a frame and closed the connection; ``number`` is that of the ERROR frame."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class StreamSession(Session):
    """A connection of the stream. It waits as long as the test does between two commands.

    ``host`` is the number of the initiator port; with the same number, a new connection replaces the former one. By
    default the daemon gives a new number, so that each session is another I_T nexus.
    """

    def __init__(self, path: Path | str, target: str = "", *, host: int = 0, timeout: float = 60.0) -> None:
        self._tags = itertools.count(1)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = connect_unix(Path(path).absolute(), timeout)
        body = self._exchange(_OPEN, struct.pack(">4sHHI", b"FSTR", STREAM_VERSION, 0, host) + target.encode(), _OPENED)
        self.host: int = int.from_bytes(body[8:12], "big")
        self.target: str = body[12:].decode()

    def command(self, lun: int, cdb: bytes, *, data_out: bytes = b"", data_in: int = 0) -> Response:
        if data_out and data_in:
            raise ValueError("a command has Data-Out or Data-In, not both")
        if not 1 <= len(cdb) <= 255:
            raise ValueError(f"the CDB has {len(cdb)} bytes; expected 1 to 255")
        if max(len(data_out), data_in) > _MAX_DATA:
            raise ValueError(f"{max(len(data_out), data_in)} bytes of data; expected at most {_MAX_DATA}")
        tag = next(self._tags)
        fields = encode_lun(lun) + struct.pack(">QBBHI", tag, 0, len(cdb), 0, data_in)
        body = self._exchange(_COMMAND, fields + cdb + data_out, _RESPONSE)
        answered, status, sense_length, _, residual = struct.unpack_from(">QBBHi", body)
        if answered != tag:
            self._abandon()
            raise TransportError(f"a response has the tag {answered}; expected {tag}")
        end = 16 + sense_length
        return Response(status, Sense.parse(body[16:end]), body[end:], residual)

    def reset_lun(self, lun: int) -> None:
        if self._exchange(_RESET, encode_lun(lun), _RESET_DONE)[0] != 0:
            raise TransportError(f"LOGICAL UNIT RESET of LUN {lun}: the target has no such LUN")

    def close(self) -> None:
        with self._lock:
            if self._socket is None:
                return
            try:
                # The daemon closes the connection when it has ended the I_T nexus.
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(4096):
                    pass
            except OSError:
                pass  # The daemon has closed the connection before.
            self._abandon()

    def _abandon(self) -> None:
        stream, self._socket = self._socket, None
        if stream is not None:
            stream.close()

    def _exchange(self, kind: int, body: bytes, expected: int) -> bytes:
        """Sends a frame and returns the body of the response. After an error, the connection is closed."""
        with self._lock:
            if self._socket is None:
                raise TransportError("the session is closed")
            try:
                try:
                    self._socket.sendall(struct.pack(">BxxxI", kind, len(body)) + body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # There may be an ERROR frame to read.
                return self._receive(self._socket, expected)
            except BaseException:
                self._abandon()
                raise

    def _receive(self, stream: socket.socket, expected: int) -> bytes:
        kind, length = struct.unpack(">BxxxI", _read(stream, 8))
        if length > _MAX_BODY:
            raise TransportError(f"a frame of {length} bytes; expected at most {_MAX_BODY}")
        body = _read(stream, length)
        if kind == _ERROR:
            raise StreamError(int.from_bytes(body[:2], "big"), body[4:].decode("utf-8", "replace"))
        if kind != expected:
            raise TransportError(f"frame type {kind:02X}h; expected {expected:02X}h")
        return body


def _read(stream: socket.socket, length: int) -> bytes:
    buffer = bytearray(length)
    view, done = memoryview(buffer), 0
    while done < length:
        count = stream.recv_into(view[done:])
        if count == 0:
            raise TransportError("the daemon closed the connection")
        done += count
    return bytes(buffer)
