"""What became of a vertex in a build (a value)."""

import msgspec

from pier.build.context.files import Files
from pier.build.graph import Rootfs


class Solved(msgspec.Struct, frozen=True):
    """``key``: of the cache record; for sources, of what they are. ``cached``: nothing had to be run."""

    key: str
    result: Rootfs | Files
    cached: bool = False
