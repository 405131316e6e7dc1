"""A tape library that a daemon serves while a ``with`` block runs."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

from ferric import _toml, programs
from ferric.control import Control, ControlError
from ferric.iscsi import IscsiSession
from ferric.scsi import Changer, Drive, Session
from ferric.stream import StreamSession

_WATCH: Final = """
directory=$1 log=$2; shift 2
"$@" 2>"$log" </dev/null & daemon=$!
exec >&-
read -r _ && directory=
kill "$daemon" 2>/dev/null; wait "$daemon"; code=$?
[ -z "$directory" ] || rm -rf -- "$directory"
exit "$code"
"""
"""Runs the daemon until its standard input has a line or ends. If it ends, this Python process has ended without
:meth:`Library.close`: the directory is removed, too."""

Transport: TypeAlias = Literal["stream", "iscsi"]

_STOP_TIMEOUT_S: Final = 60.0


class StartError(RuntimeError):
    """The daemon did not start; the message has its log."""


@dataclass(frozen=True)
class Move:
    """A cartridge that was moved, and the names of the elements, such as ``slot1`` and ``drive1``.

    An element is ``None`` for the shelf.
    """

    cartridge: str
    source: str | None
    destination: str | None
    refused: str | None
    """The reason why the drive cannot use the cartridge that it now has."""


@dataclass(frozen=True)
class TracedCommand:
    """A command that a host sent to a unit of the library; ``docs/trace.md`` has every member of ``record``."""

    seq: int
    unit: str
    initiator: str
    cdb: bytes
    name: str
    status: int
    sense: bytes
    record: Mapping[str, Any]


class Library:
    """A site with one tape library, unless ``config`` has another one. It is served over iSCSI on a free port,
    and on a Unix socket.

    Use it in a ``with`` block; :meth:`start` and :meth:`close` do the same. The cartridges are in a temporary
    directory that is removed at the end, or in ``data``, which stays. ``config`` is a configuration as a mapping, as
    TOML, or the path of a file (``docs/configuration.md``); without it, the other arguments describe the library.
    ``restore`` is a directory that :meth:`snapshot` or ``ferric run --snapshot`` has made: the library begins with a
    copy of it.
    """

    def __init__(
        self,
        *,
        drives: int = 2,
        drive_model: str = "ULT3580-TD8",
        model: str = "STK L700",
        slots: int = 24,
        cartridges: int = 8,
        pattern: str = "V#####L8",
        size: str = "1GB",
        config: Mapping[str, Any] | str | Path | None = None,
        data: Path | str | None = None,
        restore: Path | str | None = None,
        arguments: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> None:
        shape = {
            "library": [
                {
                    "model": model,
                    "slots": slots,
                    "drive": [{"model": drive_model, "count": drives}],
                    "cartridges": [{"pattern": pattern, "count": cartridges, "size": size}] if cartridges else [],
                }
            ]
        }
        self._config = _config_text(config if config is not None else shape)
        self._data = Path(data).absolute() if data is not None else None
        self._restore = Path(restore) if restore is not None else None
        self._arguments = list(arguments)
        self._timeout = timeout
        self._temporary: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Control | None = None
        self._address = ("127.0.0.1", 0)
        self._targets: tuple[str, ...] = ()

    # The life of the daemon.

    def start(self) -> Library:
        """Starts the daemon and waits until it serves. Raises :class:`StartError` if it does not."""
        if self._temporary is not None:
            raise RuntimeError("the library is started already")
        self._temporary = Path(tempfile.mkdtemp(prefix="ferric-"))
        try:
            if self._restore is not None:
                _copy(self._restore, self.data)
            (self._temporary / "config.toml").write_text(self._config, encoding="utf-8")
            self._serve()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Ends the daemon and removes the temporary directory."""
        try:
            self._stop()
        finally:
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
                self._temporary = None

    def __enter__(self) -> Library:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def data(self) -> Path:
        """The data directory of the daemon."""
        return self._data or self._directory / "data"

    @property
    def address(self) -> tuple[str, int]:
        """Address and port of the iSCSI portal."""
        return self._address

    @property
    def targets(self) -> tuple[str, ...]:
        """The iSCSI names of the targets."""
        return self._targets

    @property
    def control_socket(self) -> Path:
        """The control socket of the daemon, for ``ferric --socket``."""
        return self.data / "control.sock"

    @property
    def stream_socket(self) -> Path:
        """The socket for SCSI commands without iSCSI (``docs/stream.md``)."""
        return self._directory / "scsi.sock"

    @property
    def log(self) -> str:
        """The log of the daemon since its last start."""
        return (self._directory / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def _directory(self) -> Path:
        if self._temporary is None:
            raise RuntimeError("the library is not started; use it in a with block")
        return self._temporary

    def _serve(self) -> None:
        directory = self._directory
        host, port = self._address
        options = ["--data", str(self.data), "--config", str(directory / "config.toml"), "--bind", f"{host}:{port}"]
        options += ["--stream", str(self.stream_socket), "--ready", "json"]
        daemon = [*programs.daemon(), *options, *self._arguments]
        watch = ["/bin/sh", "-c", _WATCH, "ferric-watch", str(directory), str(directory / "log"), *daemon]
        self._process = subprocess.Popen(
            watch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=directory, start_new_session=True
        )
        ready = self._ready_line(self._process)
        host, _, port_text = ready["address"].rpartition(":")
        self._address = (host, int(port_text))
        self._targets = tuple(ready["targets"])
        self._control = Control(self.control_socket, self._timeout)

    def _ready_line(self, process: subprocess.Popen[bytes]) -> Any:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], self._timeout)[0]:
            raise StartError(f"the daemon is not ready after {self._timeout:g} s:\n{self.log}")
        line = process.stdout.readline()
        if not line:
            raise StartError(f"the daemon has ended:\n{self.log.strip()}")
        return json.loads(line)

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(b"stop\n", _STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            raise RuntimeError(f"the daemon did not end within {_STOP_TIMEOUT_S:g} s and was killed") from None

    # What an operator does.

    def request(self, op: str, /, **members: Any) -> Any:
        """Sends a request of the control protocol (``docs/control.md``) and returns its result.

        Raises :class:`ferric.ControlError` if the daemon refuses it.
        """
        if self._control is None:
            raise RuntimeError("the library is not started; use it in a with block")
        return self._control.request(op, **members)

    def status(self) -> Any:
        """The state of the site: libraries with their drives, slots and I/O elements, and shelves."""
        return self.request("status")

    def move(self, source: str, destination: str) -> Move:
        """Moves a cartridge. An element is named as ``slot3``, ``drive1`` or ``io1``, or by the barcode in it."""
        return _move(self.request("move", **{"from": source, "to": destination}))

    def load(self, cartridge: str, drive: str | None = None) -> Move:
        """Loads a cartridge into a drive, by default the first empty one."""
        return _move(self.request("load", cartridge=cartridge, drive=drive))

    def unload(self, drive: str = "drive1") -> Move:
        """Moves the cartridge of a drive to the slot that it came from, or to the first empty slot."""
        return _move(self.request("unload", drive=drive))

    def export_cartridge(self, io_element: str) -> Move:
        """Takes a cartridge from an import/export element to the shelf."""
        return _move(self.request("export", **{"from": io_element}))

    def import_cartridge(self, cartridge: str, io_element: str | None = None) -> Move:
        """Puts a cartridge of the shelf into an import/export element, by default the first empty one."""
        return _move(self.request("import", cartridge=cartridge, to=io_element))

    def cartridges(self) -> list[Any]:
        """The cartridges of the site, with location and state."""
        return list(self.request("cartridges"))

    def fault(self, kind: str | None = None, *, script: str | Path | None = None, **conditions: Any) -> list[str]:
        """Adds a fault, or those of a script (``docs/faults.md``), and returns the names.

        ``library.fault("busy", drive="drive1", count=3)`` has the keys of a table ``[[fault]]``. ``script`` is the
        text of a script, or its path.
        """
        if (kind is None) == (script is None):
            raise TypeError("give either the kind of a fault or a script")
        text = _config_text(script) if script is not None else _toml.dumps({"fault": [{"kind": kind, **conditions}]})
        return [fault["name"] for fault in self.request("fault_add", text=text)]

    def faults(self) -> list[Any]:
        """The faults that were added, and how often each has occurred (``fired``)."""
        return list(self.request("fault_list"))

    def clear_faults(self, name: str | None = None) -> list[str]:
        """Ends the fault of this name, or all faults, and returns their names."""
        return list(self.request("fault_clear", name=name)["cleared"])

    def trace(self, unit: str | None = None, *, since: int = 0) -> list[TracedCommand]:
        """The last commands of hosts, at most 4,096: those after number ``since``, of one unit or of all."""
        trace = self.request("trace", unit=unit, since=since)
        return [
            TracedCommand(
                command["seq"],
                command["unit"],
                command["initiator"],
                bytes.fromhex(command["cdb"]),
                command["decoded"]["command"],
                command["status"],
                bytes.fromhex(command["sense"] or ""),
                command,
            )
            for command in trace["commands"]
        ]

    def snapshot(self, directory: Path | str) -> Path:
        """Copies the library to a directory that does not exist yet.

        The daemon ends for this and starts again at the same address: sessions of hosts end, and faults are cleared.
        ``ferric run --restore`` takes such a directory, too.
        """
        copy = Path(directory).absolute()
        self._stop()
        try:
            _copy(self.data, copy)
        finally:
            self._serve()
        return copy

    def restore(self, directory: Path | str) -> None:
        """Replaces the contents of the library by those of a snapshot. The daemon restarts as in :meth:`snapshot`."""
        snapshot = Path(directory).absolute()
        if not snapshot.is_dir():
            raise FileNotFoundError(f"{snapshot}: there is no such snapshot")
        self._stop()
        try:
            shutil.rmtree(self.data)
            _copy(snapshot, self.data)
        finally:
            self._serve()

    # What a host does.

    def session(
        self,
        target: str | None = None,
        *,
        transport: Transport = "stream",
        timeout: float | None = None,
    ) -> Session:
        """Logs in to a target, by default the first. Each session is another I_T nexus.

        The transport is the stream of the daemon (``docs/stream.md``), or ``"iscsi"``.
        """
        name = target if target is not None else self.targets[0]
        limit = timeout if timeout is not None else self._timeout
        if transport == "iscsi":
            return IscsiSession(self.address, name, timeout=limit)
        return StreamSession(self.stream_socket, name, timeout=limit)

    def drive(self, number: int = 1, *, library: str | None = None, transport: Transport = "stream") -> Drive:
        """Logs in to a drive, by its number from 1. Its pending unit attentions are cleared."""
        description = self._library(library)
        drives = {drive["number"]: drive["lun"] for drive in description["drives"]}
        if number not in drives:
            name, last = description["name"], max(drives, default=0)
            raise ValueError(f"library {name!r} has no drive {number}; it has drives 1 to {last}")
        drive = Drive(self.session(description["target"], transport=transport), drives[number])
        drive.clear_unit_attentions()
        return drive

    def changer(self, *, library: str | None = None, transport: Transport = "stream") -> Changer:
        """Logs in to the changer. Its pending unit attentions are cleared."""
        description = self._library(library)
        changer = Changer(self.session(description["target"], transport=transport), description["lun"])
        changer.clear_unit_attentions()
        return changer

    def _library(self, name: str | None) -> Any:
        libraries = self.status()["libraries"]
        found = [library for library in libraries if name in (None, library["name"])]
        if not found:
            raise ControlError(f"there is no library {name!r}", "not_found", {"library": name})
        return found[0]


def _config_text(config: Mapping[str, Any] | str | Path) -> str:
    match config:
        case Path():
            return config.read_text(encoding="utf-8")
        case str():
            return config
        case _:
            return _toml.dumps(config)


def _move(moved: Any) -> Move:
    return Move(moved["cartridge"], moved.get("from_element"), moved.get("to_element"), moved.get("refused"))


def _copy(source: Path, destination: Path) -> None:
    """Copies a data directory without its sockets."""

    def ignored(directory: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(directory, name).is_socket()]

    if not source.is_dir():
        raise FileNotFoundError(f"{source}: there is no such directory")
    if destination.exists() and any(destination.iterdir()):
        raise FileExistsError(f"{destination}: not empty; name a directory that does not exist")
    shutil.copytree(source, destination, ignore=ignored, dirs_exist_ok=True)
