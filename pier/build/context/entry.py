"""What a client tells of one file of its folder (a value)."""

from typing import NamedTuple


class Entry(NamedTuple):
    """``path``: below the folder, not decoded bytes as surrogates. ``mode``: ``st_mode``. ``modified``: ns since 1970.

    ``link``: what a symbolic link leads to; of a file, the path of an earlier one that it is another name of.
    ``device``: the number of a device node. ``xattrs``: its names (``user.*``) and values.
    """

    path: str
    mode: int
    size: int = 0
    modified: int = 0
    link: str = ""
    device: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()
