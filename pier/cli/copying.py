"""What ``cp`` means for each combination of source and destination, decided over values alone.

A path keeps what its end says: ``dir/.`` is the content of ``dir``, ``dir/`` insists on a directory.
"""

from __future__ import annotations

import os.path

from pier.cli.command import Failure


class End:
    """One end of a copy: where, whether it is there, and what it is."""

    __slots__ = ("exists", "is_directory", "name", "path")

    def __init__(self, path: str, exists: bool, is_directory: bool, name: str = "") -> None:
        self.path = path
        self.exists = exists
        self.is_directory = is_directory
        self.name = name or split(path)[1]
        """What the entries of its archive begin with."""


class Plan:
    """Unpack in ``folder``; an entry that begins with ``old`` begins with ``new`` there ("" and "": unchanged)."""

    __slots__ = ("folder", "new", "old")

    def __init__(self, folder: str, old: str = "", new: str = "") -> None:
        self.folder = folder
        self.old = old
        self.new = new

    def rename(self, name: str) -> str:
        if self.old == self.new:
            return name
        old = "" if self.old == "/" else self.old
        return name.replace(old, self.new, 1) if old else f"{self.new}/{name}"


def split_argument(text: str) -> tuple[str, str]:
    """Container and path; the container is empty for a path of this machine."""
    if os.path.isabs(text):
        return "", text
    container, colon, path = text.partition(":")
    if not colon or container.startswith("."):
        return "", text
    return container, path


def means_content(path: str) -> bool:
    return path.rsplit("/", 1)[-1] == "."


def insists_on_directory(path: str) -> bool:
    return path.endswith("/") or means_content(path)


def split(path: str) -> tuple[str, str]:
    """Folder and last part; the last part of ``dir/.`` is the dot."""
    clean = os.path.normpath(path)
    if clean.startswith("//"):
        clean = clean[1:]
    if means_content(path) and clean != ".":
        return clean, "."
    return os.path.dirname(clean) or ".", os.path.basename(clean) or ("/" if clean == "/" else ".")


def keep_end(path: str, original: str) -> str:
    """``path`` with the trailing dot or slash of ``original``, which cleaning loses."""
    if means_content(original) and not means_content(path):
        path = path.rstrip("/") + "/."
    elif original.endswith("/") and not path.endswith("/"):
        path += "/"
    return path


def plan(source: End, destination: End) -> Plan:
    """Raises Failure for what cannot be."""
    folder, last = split(destination.path)
    if destination.exists and destination.is_directory:
        return Plan(destination.path)
    if destination.exists and source.is_directory:
        raise Failure("cannot copy directory")
    if not destination.exists and not source.is_directory and insists_on_directory(destination.path):
        raise Failure("no such directory")
    return Plan(folder, source.name, last)
