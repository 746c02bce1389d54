"""What a client says that it can give (pure)."""

from pathlib import Path

import msgspec

from pier.api.call import decode
from pier.build.request import BuildRequest


class OfferedFolder(msgspec.Struct, frozen=True):
    """``descriptor``: the place among those that came with the first byte. ``key`` names it across builds."""

    name: str
    key: str
    descriptor: int = -1


class Hello(msgspec.Struct, frozen=True):
    request: BuildRequest
    folders: tuple[OfferedFolder, ...] = ()
    uploads: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()

    def folder(self, name: str) -> OfferedFolder | None:
        return next((folder for folder in self.folders if folder.name == name), None)


def parse_hello(payload: bytes) -> Hello:
    """Raises InvalidArgument that names what is wrong."""
    return decode(payload, Hello)


def descriptor_path(process: int, descriptor: int) -> Path:
    """Where a folder that this process has open is found by every process of this host."""
    return Path(f"/proc/{process}/fd/{descriptor}")
