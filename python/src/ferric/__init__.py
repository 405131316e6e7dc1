"""Ferric, a virtual tape library, for tests in Python.

:class:`Library` starts a library, :func:`run` runs a command with tape drives in ``/dev``.
"""

from ferric._run import RunError, run
from ferric.control import PROTOCOL_VERSION, Control, ControlError
from ferric.iscsi import IscsiSession
from ferric.library import Library, Move, StartError, TracedCommand
from ferric.programs import ProgramNotFoundError
from ferric.scsi import Changer, CommandError, Drive, Inquiry, Response, Sense, Session, TransportError, Unit
from ferric.stream import STREAM_VERSION, StreamError, StreamSession

__all__ = [
    "PROTOCOL_VERSION",
    "STREAM_VERSION",
    "Changer",
    "CommandError",
    "Control",
    "ControlError",
    "Drive",
    "Inquiry",
    "IscsiSession",
    "Library",
    "Move",
    "ProgramNotFoundError",
    "Response",
    "RunError",
    "Sense",
    "Session",
    "StartError",
    "StreamError",
    "StreamSession",
    "TracedCommand",
    "TransportError",
    "Unit",
    "run",
]
