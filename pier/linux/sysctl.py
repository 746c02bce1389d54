"""Kernel settings below ``/proc/sys`` (proc(5)); those of ``net`` are the calling thread's network namespace's."""

from pathlib import Path
from typing import Final

_ROOT: Final = Path("/proc/sys")


def read(name: str) -> str:
    """The value of ``net/ipv4/ip_forward`` and the like, without its newline. Slashes, as names hold dots."""
    return (_ROOT / name).read_text().strip()


def write(name: str, value: str) -> None:
    """Set it where it is not so already (the file may be read-only and right)."""
    if read(name) != value:
        (_ROOT / name).write_text(value)
