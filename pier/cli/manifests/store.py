"""Lists that are being made: a folder for each under ``manifests`` in the client's settings, shared with Docker's.

A list's folder holds one JSON file for each manifest (``documents.record``); the names of both are references
with ``:`` and ``/`` replaced.
"""

from __future__ import annotations

import os

from pier.cli import config
from pier.client.jsontext import decode, encode
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def file_name(reference: str) -> str:
    return reference.replace(":", "-").replace("/", "_")


class Store:
    """The lists under one folder. References are canonical."""

    __slots__ = ("folder",)

    def __init__(self, options: Json) -> None:
        self.folder = os.path.join(config.folder(options), "manifests")

    def list(self, target: str) -> list[Json] | None:
        """The manifests of a list by their file names; None where there is no such list."""
        folder = self._folder(target)
        try:
            names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        except FileNotFoundError:
            return None
        found = [_read(os.path.join(folder, name)) for name in names]
        return [entry for entry in found if entry is not None]

    def get(self, target: str, reference: str) -> Json | None:
        return _read(os.path.join(self._folder(target), file_name(reference)))

    def save(self, target: str, entry: Json) -> None:
        """Put a manifest into a list, or in the place of itself."""
        folder = self._folder(target)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, file_name(entry["Ref"]))
        temporary = os.path.join(folder, f".{os.getpid()}.new")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(encode(entry))
        os.replace(temporary, path)

    def remove(self, target: str) -> None:
        folder = self._folder(target)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)

    def _folder(self, target: str) -> str:
        return os.path.join(self.folder, file_name(target))


def _read(path: str) -> Json | None:
    try:
        with open(path, encoding="utf-8") as file:
            entry = decode(file.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InvalidArgument(f"{path}: {error}") from error
    if not isinstance(entry, dict) or "Descriptor" not in entry or "Raw" not in entry:
        raise InvalidArgument(f"{path}: not a manifest that a client has kept")
    return entry
