"""A client of the control protocol: one line of JSON for each request and each response.

``docs/control.md`` has every request. The protocol has a version; a daemon refuses requests of another one.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

PROTOCOL_VERSION: Final = 2
"""The version of the control protocol that this client has."""


class ControlError(Exception):
    """The daemon refused a request.

    ``code`` is one of ``not_found``, ``conflict``, ``locked``, ``invalid``, ``busy``, ``unavailable`` and ``internal``.
    ``fields`` has the objects concerned, such as ``barcode`` and ``element``.
    """

    def __init__(self, message: str, code: str, fields: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


def connect_unix(path: Path, timeout: float) -> socket.socket:
    """Connects to a Unix socket, also at a path that is too long for a socket address (108 bytes)."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(timeout)
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            stream.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except OSError as error:
        stream.close()
        error.filename = str(path)
        raise
    return stream


class Control:
    """One connection to the control socket of a daemon. It serves one thread at a time."""

    def __init__(self, path: Path | str, timeout: float = 60.0) -> None:
        self._stream = connect_unix(Path(path).absolute(), timeout)
        self._lines = self._stream.makefile("rb")

    def request(self, op: str, /, **members: Any) -> Any:
        """Sends a request and returns the member ``ok`` of the response. Members that are ``None`` are left out.

        Raises :class:`ControlError` if the daemon refuses the request.
        """
        request = {"op": op, "version": PROTOCOL_VERSION}
        request.update({name: value for name, value in members.items() if value is not None})
        self._stream.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError(f"the daemon closed the control socket after the request {op!r}")
        response = json.loads(line)
        if "error" in response:
            raise ControlError(response["error"], response.get("code", "internal"), response.get("fields", {}))
        return response["ok"]

    def close(self) -> None:
        """Closes the connection."""
        self._lines.close()
        self._stream.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
