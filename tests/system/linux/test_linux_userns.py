"""Mounts whose owners a user namespace shifts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.linux import userns
from pier.linux.mount import Mount, mount, mounted, unmount
from pier.linux.userns import Extent

FIRST = 1_900_000_000
HOST_ROOT = Extent(0xFFFF_FFFE, 0, 1)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder on a mount that has peers, as all mounts of a host with systemd."""
    mount(Mount("tmpfs", "tmpfs", tmp_path, ("mode=0711",)))
    mount(Mount("", "none", tmp_path, ("shared",)))
    yield tmp_path
    unmount(tmp_path, detach=True)


def test_an_overlay_on_a_shared_mount_stays(shared: Path) -> None:
    for name in ("lower/etc", "upper", "work", "merged", "place"):
        (shared / name).mkdir(parents=True)
    layers = (f"lowerdir={shared}/lower", f"upperdir={shared}/upper", f"workdir={shared}/work")
    maps = [Extent(0, FIRST, 65536), HOST_ROOT]
    namespace = userns.new(maps, maps)
    try:
        userns.mount_overlay_mapped(Mount("overlay", "overlay", shared / "merged", layers), shared / "place", namespace)
    finally:
        os.close(namespace)
    assert mounted(shared / "merged")
    assert not mounted(shared / "place")
    assert (shared / "merged" / "etc").stat().st_uid == FIRST
    assert (shared / "lower" / "etc").stat().st_uid == 0
    unmount(shared / "merged")
