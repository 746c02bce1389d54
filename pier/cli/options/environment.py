"""Variables and labels, from flags and from files."""

from __future__ import annotations

import os

from pier.errors import InvalidArgument

STREAMS = ("stdin", "stdout", "stderr")


def variable(text: str) -> str:
    """``NAME=value``; a bare name takes the value of our own environment, if there is one."""
    name, equals, _ = text.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {text}")
    if not equals and name in os.environ:
        return f"{name}={os.environ[name]}"
    return text


def label(text: str) -> str:
    if not text.partition("=")[0]:
        raise ValueError(f"invalid label '{text}': empty name")
    return text


def attach_stream(text: str) -> str:
    if text.lower() not in STREAMS:
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def mapping(pairs: list[str]) -> dict[str, str]:
    """``["a=b", "c"]`` as a map; a name without a value has the empty one."""
    return dict(pair.partition("=")[::2] for pair in pairs)


def read_file(path: str, kind: str, inherit: bool) -> list[str]:
    """The lines ``NAME=value`` of a file, without comments and blank lines.

    With ``inherit`` a bare name stands for a variable of our own environment. Raises InvalidArgument.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().removeprefix("\ufeff").splitlines()
    except OSError as error:
        raise InvalidArgument(f"open {path}: {(error.strerror or '').lower()}") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"invalid {kind} ({path}): invalid utf8 bytes in the file") from error
    found = []
    for line in (line.lstrip() for line in lines):
        name, equals, _ = line.partition("=")
        if not line or line.startswith("#"):
            continue
        if not name.rstrip():
            raise InvalidArgument(f"invalid {kind} ({path}): no variable name on line '{line}'")
        if any(letter.isspace() for letter in name):
            raise InvalidArgument(f"invalid {kind} ({path}): variable '{name}' contains whitespaces")
        if equals:
            found.append(line)
        elif not inherit:
            found.append(name)
        elif name in os.environ:
            found.append(f"{name}={os.environ[name]}")
    return found
