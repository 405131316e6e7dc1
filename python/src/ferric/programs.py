"""Finds the programs of Ferric: those of ``FERRIC_PROGRAMS``, of this package, or of the search path."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VARIABLE: Final = "FERRIC_PROGRAMS"
"""Environment variable with the directory of the programs, such as ``target/debug`` of a build from source."""


class ProgramNotFoundError(RuntimeError):
    """A program of Ferric is not installed."""


def _directories() -> Iterator[str]:
    yield sysconfig.get_path("scripts")
    user = sysconfig.get_preferred_scheme("user")
    yield sysconfig.get_path("scripts", user)
    yield from os.environ.get("PATH", os.defpath).split(os.pathsep)


def find(name: str) -> Path | None:
    """The path of a program, or ``None``. If ``FERRIC_PROGRAMS`` is set, only its directory counts."""
    chosen = os.environ.get(VARIABLE)
    directories = _directories() if chosen is None else iter([chosen])
    found = (shutil.which(name, path=directory) for directory in directories if directory)
    return next((Path(path).absolute() for path in found if path), None)


def ferric() -> Path:
    """The path of the program ``ferric``."""
    return find("ferric") or _missing("ferric")


def daemon() -> list[str]:
    """The first words of the command line of the iSCSI daemon: ``ferric-iscsid``, else ``ferric serve iscsi``."""
    separate = find("ferric-iscsid")
    if separate is not None:
        return [str(separate)]
    together = find("ferric")
    return [str(together), "serve", "iscsi"] if together else [str(_missing("ferric-iscsid"))]


def _missing(name: str) -> Path:
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        raise ProgramNotFoundError(f"{VARIABLE} is {chosen!r}, which has no program {name}")
    raise ProgramNotFoundError(
        f"there is no program {name} beside this package or in PATH; install the wheel of ferric-vtl, or set {VARIABLE} "
        "to the directory of a build, such as target/debug"
    )
