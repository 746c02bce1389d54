"""Copy-up: a new volume begins with what the image has at the place where it is mounted."""

from pathlib import Path


def copy_up(rootfs: Path, destination: str, data: Path) -> bool:
    """Fill the empty folder ``data`` from ``destination`` in ``rootfs``; True where anything was copied.

    Owner, mode, times, xattrs and links are kept, of the folder itself too. Nothing happens where
    ``data`` is not empty or ``destination`` is not a folder. No link of the image leads outside
    ``rootfs``. Blocks.
    """
    raise AssertionError
