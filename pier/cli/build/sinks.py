"""Where results go on this machine: a file (whole, or not at all), standard output, or a folder."""

from __future__ import annotations

import os

from pier.cli.command import Failure
from pier.cli.relay import write_all
from pier.cli.terminal import is_terminal
from pier.errors import DataCorrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.client.build import Sink

    Json = dict[str, Any]


def check(outputs: list[Json]) -> None:
    """Refuse, before anything is built, what could not be written in the end. Raises Failure."""
    for each in outputs:
        kind, dest = each["type"], each["attributes"].get("dest")
        if dest == "-" and is_terminal(1):
            raise Failure(f"ERROR: dest file is required for {kind} exporter. refusing to write to console")
        if kind == "local" and os.path.exists(dest) and not os.path.isdir(dest):
            raise Failure(f"ERROR: destination directory {dest} is a file")
        if kind != "local" and dest not in (None, "-") and os.path.isdir(dest) and not _is_folder(each):
            raise Failure(f"ERROR: destination file {dest} is a directory")


def sink(request: Json, number: int) -> Sink:
    """For the output, or the local cache, of that number."""
    outputs = request["outputs"]
    if number >= len(outputs):
        return Folder(request["cache_to"][number - len(outputs)]["attributes"]["dest"])
    chosen = outputs[number]
    dest = chosen["attributes"].get("dest", "-")
    if chosen["type"] == "local" or _is_folder(chosen):
        return Folder(dest)
    return Output() if dest == "-" else File(dest)


def _is_folder(output: Json) -> bool:
    return str(output["attributes"].get("tar", "true")).lower() in ("false", "f", "0")


class Output:
    """Standard output."""

    def write(self, data: bytes) -> None:
        write_all(1, data)

    def finish(self) -> None:
        """Nothing is held back."""

    def abort(self) -> None:
        """What was written cannot be taken back."""


class File:
    """Appears under its name when it is complete."""

    def __init__(self, path: str) -> None:
        self._path = path
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        self._special = os.path.exists(path) and not os.path.isfile(path)
        self._temporary = path if self._special else f"{path}.{os.urandom(4).hex()}.part"
        self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT, 0o666)

    def write(self, data: bytes) -> None:
        write_all(self._descriptor, data)

    def finish(self) -> None:
        os.close(self._descriptor)
        if not self._special:
            os.replace(self._temporary, self._path)

    def abort(self) -> None:
        try:
            os.close(self._descriptor)
        except OSError:
            return
        if not self._special:
            os.unlink(self._temporary)


class Folder:
    """A tar, unpacked below a folder: kept in a nameless file until it is whole."""

    def __init__(self, path: str) -> None:
        from tempfile import TemporaryFile

        os.makedirs(path, exist_ok=True)
        self._path = path
        self._spool = TemporaryFile(dir=path)  # noqa: SIM115  # it lives as long as this object

    def write(self, data: bytes) -> None:
        self._spool.write(data)

    def finish(self) -> None:
        from pier.cli.tars import unpack

        self._spool.seek(0)
        try:
            unpack(self, self._path, lambda name: name, owners=False)
        except Failure as error:
            raise DataCorrupted(str(error)) from error
        finally:
            self._spool.close()

    def pieces(self) -> Any:
        """For :func:`pier.cli.tars.unpack`."""
        while data := self._spool.read(1 << 18):
            yield data

    def abort(self) -> None:
        self._spool.close()
