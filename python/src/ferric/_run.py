"""``ferric run``: a command that sees tape drives as on a Linux host, in ``/dev``."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferric import programs
from ferric.library import Library


class RunError(subprocess.CalledProcessError):
    """A command of :func:`run` failed; the message has what it printed to standard error."""

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(self.stderr or "").splitlines()])


def run(
    command: Sequence[str],
    *,
    library: Library | None = None,
    config: Path | str | None = None,
    load: Sequence[str] = (),
    faults: Path | str | None = None,
    keep: Path | str | None = None,
    restore: Path | str | None = None,
    snapshot: Path | str | None = None,
    options: Sequence[str] = (),
    check: bool = True,
    env: Mapping[str, str] | None = None,
    **arguments: Any,
) -> subprocess.CompletedProcess[str]:
    """Runs a command with tape drives and a changer (``docs/run.md``), and returns its output as text.

    The command uses ``library``, if one is given, or else a library that exists only while it runs. The other
    arguments are those of the options of ``ferric run``; further ones go to :func:`subprocess.run`. With ``check``,
    :class:`RunError` is raised if the command fails; ``check=False`` returns its exit code.
    """
    line = [str(programs.ferric()), "run", *options]
    if library is not None:
        line += ["--socket", str(library.control_socket)]
    paths = {"--config": config, "--faults": faults, "--keep": keep, "--restore": restore, "--snapshot": snapshot}
    for option, path in paths.items():
        if path is not None:
            line += [option, str(path)]
    for barcode in load:
        line += ["--load", barcode]
    arguments.setdefault("stdout", subprocess.PIPE)
    arguments.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run([*line, "--", *command], check=False, env=env, text=True, **arguments)
    if check and done.returncode != 0:
        raise RunError(done.returncode, done.args, done.stdout, done.stderr)
    return done
