"""The plugin of pytest: the fixtures ``tape_library`` and ``tape_drive``, and the marker ``tape_library``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ferric.library import Library
from ferric.scsi import Drive


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "tape_library(**arguments): the library of the fixtures tape_library and tape_drive, with the arguments of "
        "ferric.Library, such as drives=1 or config={...}",
    )


@pytest.fixture
def tape_library(request: pytest.FixtureRequest) -> Iterator[Library]:
    """A library that only this test uses. The marker ``tape_library`` has its arguments.

    If the test fails, pytest shows the log of the daemon as its output to standard error.
    """
    arguments: dict[str, Any] = {}
    # The closest marker comes first: one of the function takes precedence over those of its class and module.
    for marker in request.node.iter_markers("tape_library"):
        if marker.args:
            raise pytest.UsageError(f"{request.node.nodeid}: the marker tape_library takes only named arguments")
        arguments = {**marker.kwargs, **arguments}
    with Library(**arguments) as library:
        yield library
        sys.stderr.write(library.log)


@pytest.fixture
def tape_drive(tape_library: Library) -> Iterator[Drive]:
    """The first drive of ``tape_library``, with the first data cartridge loaded and no unit attention pending."""
    data = [cartridge["cartridge"] for cartridge in tape_library.cartridges() if cartridge["kind"] == "data"]
    if not data:
        raise pytest.UsageError("tape_drive: the library has no data cartridge")
    tape_library.load(data[0], "drive1")
    drive = tape_library.drive(1)
    yield drive
    drive.close()
