"""``cp``, ``export`` and ``diff`` on real containers, running, stopped and hostile."""

import io
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pier.containers import copy, start
from pier.errors import InvalidArgument, NotFound
from pier.linux.mount import mounted
from pier.testing.images import layer_tar
from tests.system.containers.conftest import Box

SLEEP = ("sleep", "1000")


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _read(chunks: AsyncIterator[bytes]) -> dict[str, bytes | None]:
    """Names in a tar, with the content of files."""
    data = b"".join([chunk async for chunk in chunks])
    found: dict[str, bytes | None] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            found[member.name] = file.read() if file else None
    return found


async def _get(box: Box, name: str, path: str) -> dict[str, bytes | None]:
    _, chunks = await copy.get(box.deps, name, path)
    return await _read(chunks)


async def _put(box: Box, name: str, path: str, **files: bytes) -> None:
    await copy.put(box.deps, name, path, _stream(layer_tar(**files)))


@pytest.fixture(params=["running", "created"])
async def name(request: pytest.FixtureRequest, box: Box) -> str:
    if request.param == "running":
        await box.start(*SLEEP, name="cc")
    else:
        await box.create(*SLEEP, name="cc")
    return "cc"


async def test_in_and_out(box: Box, name: str) -> None:
    await _put(box, name, "/tmp", one=b"1", two=b"2" * 100_000)
    assert await _get(box, name, "/tmp/two") == {"two": b"2" * 100_000}
    assert await _get(box, name, "/tmp/.") == {".": None, "./one": b"1", "./two": b"2" * 100_000}
    found = await copy.stat(box.deps, name, "/tmp/two")
    assert (found.name, found.size, found.mode & 0o777) == ("two", 100_000, 0o644)
    changed = {(int(change.kind), change.path) for change in await copy.changes(box.deps, name)}
    assert {(0, "/tmp"), (1, "/tmp/one"), (1, "/tmp/two")} <= changed


async def test_what_is_put_into_a_stopped_container_is_there_when_it_runs(box: Box) -> None:
    await box.create("cat", "/etc/greeting", name="cc")
    await _put(box, "cc", "/etc", greeting=b"hello")
    container = box.deps.registry.find("cc").record
    assert not mounted(box.deps.snapshots.merged(container.id))
    await start.start(box.deps, "cc")
    await box.deps.registry.find("cc").ended.wait()
    assert await _get(box, "cc", "/etc/greeting") == {"greeting": b"hello"}


async def test_what_is_not_there(box: Box, name: str) -> None:
    for path in ("/nope", "/nope/x"):
        with pytest.raises(NotFound) as caught:
            await copy.stat(box.deps, name, path)
        assert str(caught.value) == f"Could not find the file {path} in container cc"
    with pytest.raises(NotFound, match="Could not find the file /nope in container cc"):
        await _put(box, name, "/nope", x=b"")
    with pytest.raises(InvalidArgument, match="extraction point is not a directory"):
        await _put(box, name, "/bin/busybox", x=b"")
    with pytest.raises(NotFound, match="No such container: other"):
        await copy.stat(box.deps, "other", "/")


@pytest.mark.parametrize("running", [True, False])
async def test_volumes_and_binds_are_seen(box: Box, tmp_path: Path, running: bool) -> None:
    host = {"Binds": [f"{tmp_path}:/bound", f"{tmp_path}:/locked:ro", "data:/kept"]}
    container = await box.create(*SLEEP, name="cc", host=host)
    if running:
        await start.start(box.deps, "cc")
    await _put(box, "cc", "/bound", hosts=b"bound")
    await _put(box, "cc", "/kept", inner=b"volume")
    assert (tmp_path / "hosts").read_bytes() == b"bound"
    assert (Path(box.deps.volumes.get("data").mountpoint) / "inner").read_bytes() == b"volume"
    assert await _get(box, "cc", "/locked/hosts") == {"hosts": b"bound"}
    with pytest.raises(InvalidArgument, match=r"^mounted volume is marked read-only$"):
        await _put(box, "cc", "/locked", x=b"")
    exported = await _read(await copy.export(box.deps, container))
    assert "bin/busybox" in exported
    assert [path for path in exported if path.startswith(("kept/", "bound/", "proc/"))] == []


async def test_a_read_only_root(box: Box) -> None:
    await box.start(*SLEEP, name="cc", host={"ReadonlyRootfs": True, "Tmpfs": {"/scratch": ""}})
    with pytest.raises(InvalidArgument, match=r"^container rootfs is marked read-only$"):
        await _put(box, "cc", "/", x=b"")
    await _put(box, "cc", "/scratch", x=b"1")
    assert await _get(box, "cc", "/scratch/x") == {"x": b"1"}


async def test_all_of_a_running_container_without_its_kernel_s_files(box: Box) -> None:
    await box.start("sh", "-c", "mkdir -p /made && echo x >/made/file && echo ready && exec sleep 1000", name="cc")
    await box.until_said("cc", "ready")
    found = await _get(box, "cc", "/")
    assert found["/made/file"] == b"x\n"
    assert {"/proc", "/sys", "/dev"} <= set(found)
    assert not any(path.startswith(("/proc/", "/sys/")) for path in found)


async def test_everything_for_the_container_s_user(box: Box, name: str) -> None:
    await box.create(*SLEEP, name="uu", User="me")
    await _put(box, "uu", "/etc", passwd=b"me:x:1234:2345::/:/bin/sh\n")
    for container, expected in (("uu", 1234), (name, 0)):
        data = layer_tar(mine=b"")
        await copy.put(box.deps, container, "/tmp", _stream(data), copy_uid_gid=True)
        _, chunks = await copy.get(box.deps, container, "/tmp/mine")
        with tarfile.open(fileobj=io.BytesIO(b"".join([chunk async for chunk in chunks]))) as archive:
            assert archive.getmembers()[0].uid == expected


async def test_a_container_with_the_host_s_processes_does_not_lead_to_its_files(box: Box) -> None:
    """The host's /proc is in the container: /proc/PID/root of a process of the host is the host's root."""
    host: dict[str, Any] = {"PidMode": "host"}
    lure = f"ln -s /proc/{os.getpid()}/root/etc /lure && echo ready && exec sleep 1000"
    await box.start("sh", "-c", lure, name="cc", host=host)
    await box.until_said("cc", "ready")
    found = await copy.stat(box.deps, "cc", "/lure")
    assert stat.S_IMODE(found.mode) == 0o777
    for path in ("/lure/", "/lure/passwd"):
        with pytest.raises((NotFound, InvalidArgument)):
            await copy.stat(box.deps, "cc", path)
    with pytest.raises((NotFound, InvalidArgument)):
        await _put(box, "cc", "/lure", escaped=b"x")
    assert not os.path.lexists("/etc/escaped")  # noqa: ASYNC240
