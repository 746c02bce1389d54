"""A file of users, as Apache's ``htpasswd -B`` makes it: ``name:bcrypt hash`` a line. Read again when it changes."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument
from pier.log import Logger
from pier.registry.access.passwords import is_hash

_log: Final = Logger("pier.registry")
_LARGEST: Final = 16 << 20
Stamp = tuple[int, int, int]


class Htpasswd:
    """Who the file names. A file that cannot be read any more changes nothing until it can."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp: Stamp | None = None
        self._hashes: Mapping[str, str] = {}
        self._complaint = ""

    def load(self) -> None:
        """Read it. Raises InvalidArgument, where it is not there or of another format."""
        try:
            with self._path.open("rb") as file:
                stamp = _stamp(os.fstat(file.fileno()))
                data = file.read(_LARGEST + 1)
        except OSError as error:
            raise InvalidArgument(f"cannot read the users {self._path}: {error.strerror}") from error
        if len(data) > _LARGEST:
            raise InvalidArgument(f"cannot read the users {self._path}: it is too large")
        self._hashes, self._stamp = parse(data.decode(errors="replace"), str(self._path)), stamp

    async def secrets(self) -> Mapping[str, str]:
        """Hashes by name, as the file is now."""
        await asyncio.to_thread(self._refresh)
        return self._hashes

    def _refresh(self) -> None:
        try:
            if _stamp(self._path.stat()) != self._stamp:
                self.load()
                _log.info("the users were read again", file=str(self._path))
                self._complaint = ""
        except (OSError, InvalidArgument) as error:
            if str(error) != self._complaint:
                _log.warning("the users could not be read again; those from before hold", reason=str(error))
            self._complaint = str(error)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino


def parse(text: str, place: str) -> dict[str, str]:
    """Raises InvalidArgument, with a line's number and nothing of what it holds."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, secret = line.partition(":")
        if not colon or not name or not is_hash(secret):
            raise InvalidArgument(f"{place}, line {number}: expected NAME:HASH with a bcrypt hash (htpasswd -B)")
        found[name] = secret
    return found
