"""Writes TOML: the configuration of a library and the scripts of faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final


def dumps(table: Mapping[str, Any]) -> str:
    """The text of a document. Members that are ``None`` are left out.

    Raises ``TypeError`` for a value that TOML does not have, with the path of its key.
    """
    return "\n".join(_table(table, ())) + "\n"


def _is_tables(value: Any) -> bool:
    return _is_list(value) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    present = {key: value for key, value in table.items() if value is not None}
    # Keys come before tables: a key after the header of a table belongs to that table.
    for key, value in present.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            yield f"{_key(key)} = {_value(value, (*path, key))}"
    for key, value in present.items():
        inner = (*path, key)
        name = ".".join(_key(part) for part in inner)
        if isinstance(value, Mapping):
            yield f"[{name}]"
            yield from _table(value, inner)
        elif _is_tables(value):
            for item in value:
                yield f"[[{name}]]"
                yield from _table(item, inner)


def _value(value: Any, path: tuple[str, ...]) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case _ if _is_list(value):
            return "[" + ", ".join(_value(item, path) for item in value) + "]"
    raise TypeError(f"{'.'.join(path)}: TOML has no value for {value!r}")


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("-", "a").replace("_", "a").isalnum()
    return key if is_bare else _string(key)


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(character) or _escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    is_control = character < " " or character == "\x7f"
    return f"\\u{ord(character):04x}" if is_control else character
