"""Cache mounts that travel."""

import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.build.remotecache.exporting import export_cache
from pier.build.remotecache.importing import importers
from pier.build.remotecache.mounts import fill
from pier.build.request import CacheSpec
from pier.testing.exports import Machine

PIP = "/root/.cache/pip"


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "one") as machine:
        yield machine


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "two") as machine:
        yield machine


async def exported(machine: Machine, folder: Path, attributes: dict[str, str]) -> None:
    """The folder of a cache with two mounts, one of them empty."""
    pip, empty = machine.root / "pip", machine.root / "empty"
    (pip / "wheels").mkdir(parents=True)
    empty.mkdir()
    (pip / "wheels/a.whl").write_bytes(b"wheel" * 1000)
    os.chown(pip / "wheels/a.whl", 7, 8)
    (pip / "link").symlink_to("/etc/passwd")
    spec = CacheSpec("local", {"dest": "x", **attributes})
    await export_cache(machine.build(cache_to=(spec,)), [], [], {PIP: pip, "npm": empty})
    with tarfile.open(fileobj=io.BytesIO(machine.client.tars[0])) as archive:
        archive.extractall(folder)


async def filled(machine: Machine, cache: Path, name: str, folder: Path) -> bool:
    machine.client.folders["cache:0"] = cache
    build = machine.build(cache_from=(CacheSpec("local", {"src": "x"}),))
    await importers(build)
    os.makedirs(folder, exist_ok=True)
    return await fill(build, name, folder)


async def test_a_mount_comes_back(machine: Machine, other: Machine, tmp_path: Path) -> None:
    await exported(machine, tmp_path / "cache", {"mounts": "true"})
    assert await filled(other, tmp_path / "cache", PIP, tmp_path / "pip")
    wheel = tmp_path / "pip/wheels/a.whl"
    assert wheel.read_bytes() == b"wheel" * 1000
    assert (wheel.stat().st_uid, wheel.stat().st_gid) == (7, 8)
    assert os.readlink(tmp_path / "pip/link") == "/etc/passwd"
    assert list(machine.images.content.walk()) == [], "what was packed for the way is gone"


async def test_a_mount_that_was_not_needed_is_handed_on(machine: Machine, other: Machine, tmp_path: Path) -> None:
    await exported(machine, tmp_path / "cache", {"mounts": "true"})
    other.client.folders["cache:0"] = tmp_path / "cache"
    build = other.build(
        cache_from=(CacheSpec("local", {"src": "x"}),), cache_to=(CacheSpec("local", {"dest": "x", "mounts": "true"}),)
    )
    await importers(build)
    await export_cache(build, [], [])
    with tarfile.open(fileobj=io.BytesIO(other.client.tars[0])) as archive:
        archive.extractall(tmp_path / "again")
    assert await filled(machine, tmp_path / "again", PIP, tmp_path / "pip")


async def test_a_mount_with_something_in_it_is_left_alone(machine: Machine, other: Machine, tmp_path: Path) -> None:
    await exported(machine, tmp_path / "cache", {"mounts": "true"})
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/mine").touch()
    assert not await filled(other, tmp_path / "cache", PIP, tmp_path / "pip")
    assert os.listdir(tmp_path / "pip") == ["mine"]


@pytest.mark.parametrize(("attributes", "name"), [({}, PIP), ({"mounts": "true"}, "npm"), ({"mounts": "true"}, "go")])
async def test_what_did_not_travel_does_not_come(
    machine: Machine, other: Machine, tmp_path: Path, attributes: dict[str, str], name: str
) -> None:
    await exported(machine, tmp_path / "cache", attributes)
    assert not await filled(other, tmp_path / "cache", name, tmp_path / "folder")
    assert os.listdir(tmp_path / "folder") == []


async def test_a_mount_that_is_not_what_it_claims_is_not_taken(
    machine: Machine, other: Machine, tmp_path: Path
) -> None:
    await exported(machine, tmp_path / "cache", {"mounts": "true"})
    for blob in (tmp_path / "cache/blobs/sha256").iterdir():
        if blob.read_bytes().startswith(b"\x28\xb5\x2f\xfd"):
            blob.write_bytes(_tar("evil"))
    assert not await filled(other, tmp_path / "cache", PIP, tmp_path / "pip")
    assert os.listdir(tmp_path / "pip") == []
    assert os.listdir(other.images.tmp) == []


def _tar(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()
