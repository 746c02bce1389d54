"""Containers in user namespaces of their own: what they see, what is on disk, and what they cannot reach."""

import io
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pier.containers import copy, inspect, remove, start, stop
from pier.containers.deps import Deps
from pier.containers.userns import user_space
from pier.errors import InvalidArgument, Unsupported
from pier.runtime.select import select_runtime
from tests.system.containers.conftest import Box

OWN = {"UsernsMode": "private"}
SLEEP = ("sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done")


async def said(box: Box, script: str, host: dict[str, Any] | None = None, **config: Any) -> str:
    ran = await box.run("sh", "-c", script, host={"AutoRemove": True, **OWN, **(host or {})}, **config)
    assert ran.result.code == 0, ran.stderr
    return ran.stdout


def first_id(deps: Deps, reference: str) -> int:
    ids = deps.registry.find(reference).record.id_range
    assert ids is not None
    return ids.uid


def upper(box: Box, reference: str) -> Path:
    return box.deps.snapshots.upper(box.deps.registry.find(reference).record.id)


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def owners(tar: bytes) -> dict[str, int]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name: member.uid for member in archive}


def process_status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def mounts_below(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {folder}/" in line]


async def test_root_inside_is_nobody_outside(box: Box) -> None:
    web = await box.start(*SLEEP, host=OWN)
    await box.until_said(web, "up")
    first = first_id(box.deps, web)
    pid = box.deps.registry.find(web).record.state.pid
    status = process_status(pid)
    assert first >= 100_000 and f"Uid:\t{first}\t{first}\t{first}\t{first}" in status
    said, code = await box.exec(web, "sh", "-c", "id -u; cat /proc/self/uid_map /proc/self/gid_map")
    assert (said.split(), code) == (["0", *["0", str(first), "65536"] * 2], 0)
    host = (await inspect.inspect(box.deps, web))["HostConfig"]
    assert host["UsernsMode"] == "private"


async def test_owners_are_right_inside_and_on_disk(box: Box) -> None:
    ran = await box.run(
        "sh", "-c",
        "stat -c %u /bin /data /etc/hosts /dev/shm; touch /new; echo x >> /etc/passwd; chown 1000:5 /data/seed;"
        "mkdir /d; chown 7 /d; rm -r /home; touch /dev/shm/x;"
        "su -s /bin/sh web -c 'touch /tmp/web'; stat -c %u /tmp/web",
        host=OWN, WorkingDir="/work/here",
    )  # fmt: skip
    assert (ran.stdout.split(), ran.stderr) == (["0", "1000", "0", "0", "1000"], "")
    disk = upper(box, ran.id)
    owners = {name: (disk / name).stat().st_uid for name in ("new", "etc/passwd", "data/seed", "d", "tmp/web", "work")}
    assert owners == {"new": 0, "etc/passwd": 0, "data/seed": 1000, "d": 7, "tmp/web": 1000, "work": 0}
    assert stat.S_ISCHR((disk / "home").lstat().st_mode)


async def test_it_starts_again_and_cleans_up(box: Box) -> None:
    container = await box.create(
        "sh", "-c", "cat /kept 2>/dev/null; echo again > /kept", host={**OWN, "Binds": ["vv:/v"]}
    )
    for expected in ("", "again\n"):
        await start.start(box.deps, container)
        live = box.deps.registry.find(container)
        await live.ended.wait()
        assert live.teardown is not None
        await live.teardown
        assert expected == "" or (upper(box, container) / "kept").read_text() == expected
        assert mounts_below(box.roots.run / "mapped") == []
    await remove.remove(box.deps, container, force=True, volumes=True)
    assert not (box.roots.run / "mapped" / container).exists()


async def test_volumes_are_the_container_s(box: Box) -> None:
    script = "stat -c %u /data /data/seed; touch /data/own /anon/x; chown 5 /anon/x; echo s > /sub/y"
    host = {
        "Binds": ["vol:/data"],
        "Mounts": [
            {"Type": "volume", "Source": "vol2", "Target": "/sub", "VolumeOptions": {"NoCopy": True}},
            {"Type": "volume", "Target": "/anon"},
        ],
    }
    ran = await box.run("sh", "-c", script, host={**OWN, **host})
    assert (ran.stdout.split(), ran.stderr) == (["1000", "1000"], "")
    data = Path(box.deps.volumes.get("vol").mountpoint)
    assert (data / "own").stat().st_uid == 0 and (data / "seed").stat().st_uid == 1000
    assert (await box.run("stat", "-c", "%u", "/data/own", host={"Binds": ["vol:/data"]})).stdout == "0\n"
    anonymous = next(each for each in box.deps.volumes.list() if each.name not in ("vol", "vol2"))
    assert (Path(anonymous.mountpoint) / "x").stat().st_uid == 5
    await box.run("mkdir", "/sub/deep", host={"Binds": ["vol2:/sub"]})
    only = {"Type": "volume", "Source": "vol2", "Target": "/x", "VolumeOptions": {"Subpath": "deep"}}
    assert await said(box, "stat -c %u /x; touch /x/z", {"Mounts": [only]}) == "0\n"


async def test_binds_keep_the_host_s_owners(box: Box, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret\n")
    (tmp_path / "file").chmod(0o600)
    script = "stat -c %u /x; cat /x/file 2>/dev/null || echo refused; touch /x/y 2>/dev/null || echo refused"
    assert await said(box, script, {"Binds": [f"{tmp_path}:/x"]}) == "65534\nrefused\nrefused\n"


async def test_the_host_s_dev_null_keeps_its_owner(box: Box) -> None:
    before = os.stat("/dev/null")
    assert await said(box, "cat; echo > /dev/null; echo > /dev/stdout; echo x > /dev/stderr") == "\n"
    container = await box.start(*SLEEP, host=OWN)
    assert (await box.exec(container, "sh", "-c", "cat; id -u", user="web"))[0] == "1000\n"
    plain = await box.start(*SLEEP)
    assert (await box.exec(plain, "sh", "-c", "cat; id -u", user="1234"))[0] == "1234\n"
    assert await said(box, "tty > /dev/null && id -u", Tty=True, User="web") == "1000\r\n"
    await box.exec(plain, "sh", "-c", "id -u", user="1234", tty=True)
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid) == (0, 0)


async def test_nothing_of_the_host_gives_way(box: Box) -> None:
    other = await box.start(*SLEEP)
    pid = box.deps.registry.find(other).record.state.pid
    script = (
        "mknod /x b 1 1; mount -t tmpfs none /tmp; echo 1 > /proc/sys/kernel/panic;"
        "hostname other; nice -n -5 true; echo 1 > /proc/sysrq-trigger; date -s 2001-01-01"
    )
    ran = await box.run("sh", "-c", script, host={**OWN, "CapAdd": ["ALL"], "AutoRemove": True})
    assert "x: Operation not permitted" in ran.stderr and "panic: " in ran.stderr and "date: " in ran.stderr
    assert "Uid:" in process_status(pid)


async def test_a_network_of_its_own(box: Box) -> None:
    host = {"NetworkMode": "bridge", "CapAdd": ["NET_ADMIN"]}
    script = (
        "ip -o -4 addr show eth0 | wc -l; ip link set lo down && echo down; ls /sys/class/net;"
        "ping -c1 -W3 -q $(ip route | awk '/default/ {print $3}') > /dev/null && echo pong"
    )
    assert (await said(box, script, host)).split() == ["1", "down", "eth0", "lo", "pong"]
    assert await said(box, "nc -l -p 80 -w 1; cat /proc/sys/net/ipv4/ip_unprivileged_port_start", host) == "0\n"


async def test_a_network_of_another_container_s(box: Box) -> None:
    donor = await box.start(*SLEEP, host={**OWN, "IpcMode": "shareable"})
    plain = await box.start(*SLEEP)
    shared = {"NetworkMode": f"container:{donor}", "IpcMode": f"container:{donor}", "PidMode": f"container:{donor}"}
    assert (
        await said(
            box, "ls /sys/class/net; readlink /proc/1/ns/user > /dev/null && echo same; touch /dev/shm/x", shared
        )
        == "lo\nsame\n"
    )
    with pytest.raises(InvalidArgument, match="has no user namespace of its own"):
        await box.run("true", host={**OWN, "NetworkMode": f"container:{plain}"})
    ran = await box.run("cat", "/proc/self/uid_map", host={"NetworkMode": f"container:{donor}"})
    assert ran.stdout.split() == ["0", "0", "4294967295"]


async def test_ranges_do_not_overlap(box: Box) -> None:
    names = [await box.start(*SLEEP, host=OWN) for _ in range(3)]
    starts = sorted(first_id(box.deps, each) for each in names)
    assert all(later - earlier >= 65536 for earlier, later in pairwise(starts))


async def test_runc(box: Box) -> None:
    runc = await select_runtime("runc", run=box.roots.run)
    box.deps = replace(box.deps, runtime=runc)
    container = await box.start(*SLEEP, host={**OWN, "Binds": ["vol:/data"], "NetworkMode": "bridge"})
    await box.until_said(container, "up")
    said, code = await box.exec(container, "sh", "-c", "id -u; stat -c %u / /data; touch /x /data/x; ls /sys/class/net")
    assert (said.split(), code) == (["0", "0", "1000", "eth0", "lo"], 0)
    assert (upper(box, container) / "x").stat().st_uid == 0
    await remove.remove(box.deps, container, force=True)
    await runc.close()


async def test_copying_in_and_out(box: Box) -> None:
    running = await box.start(*SLEEP, host={**OWN, "Binds": ["vv:/v"]})
    await box.until_said(running, "up")
    stopped = await box.create("true", host=OWN)
    for container in (running, stopped):
        _, tar = await copy.get(box.deps, container, "/data")
        data = b"".join([piece async for piece in tar])
        assert owners(data)["data/seed"] == 1000
        await copy.put(box.deps, container, "/tmp", once(data))
        assert (upper(box, container) / "tmp/data/seed").stat().st_uid == 1000
        exported = b"".join([piece async for piece in await copy.export(box.deps, container)])
        assert owners(exported)["data/seed"] == 1000
    await copy.put(box.deps, running, "/v", once(data))
    assert (await box.exec(running, "stat", "-c", "%u", "/tmp/data/seed", "/v/data/seed", "/v/data"))[0] == "1000\n" * 3


async def test_a_new_daemon_finds_it(box: Box) -> None:
    container = await box.start(*SLEEP, host={**OWN, "Binds": ["vv:/v"], "NetworkMode": "bridge"})
    await box.until_said(container, "up")
    first = first_id(box.deps, container)
    await box.reborn()
    assert first_id(box.deps, container) == first
    assert (await box.exec(container, "sh", "-c", "id -u; touch /v/x"))[0] == "0\n"
    await stop.stop(box.deps, container)
    live = box.deps.registry.find(container)
    assert live.record.state.exit_code == 0 and live.teardown is not None
    await live.teardown
    assert mounts_below(box.roots.run / "mapped") == []


async def test_a_start_that_is_cut_short_is_cleaned_up(box: Box) -> None:
    container = await box.create("true", host=OWN)
    space = await user_space(box.deps, box.deps.registry.find(container), ExitStack())
    assert space is not None and mounts_below(space.folder) != []
    await box.reborn()
    assert mounts_below(space.folder) == [] and os.listdir(space.folder.parent) == []
    assert (await box.run("id", "-u", host=OWN)).stdout == "0\n"


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"Privileged": True}, "privileged mode is incompatible with user namespaces"),
        ({"NetworkMode": "host"}, "cannot share the host's network namespace when user namespaces are enabled"),
        ({"PidMode": "host"}, "cannot share the host PID namespace when user namespaces are enabled"),
        ({"IpcMode": "host"}, "cannot share the host IPC namespace when user namespaces are enabled"),
        ({"OomScoreAdj": -1}, "a negative OomScoreAdj is incompatible with user namespaces"),
        ({"Devices": [{"PathOnHost": "/dev/null"}]}, "devices are incompatible with user namespaces"),
        ({"UsernsMode": "keep-id"}, "invalid user namespace mode: keep-id"),
    ],
)
async def test_conflicts(box: Box, host: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        await box.create("true", host={**OWN, **host})


async def test_a_failed_start_leaves_nothing(box: Box) -> None:
    with pytest.raises(InvalidArgument, match="executable file not found"):
        await box.run("nope", host={**OWN, "Binds": ["vv:/data"]})
    assert mounts_below(box.roots.run) == [] and os.listdir(box.roots.run / "mapped") == []
    assert (Path(box.deps.volumes.get("vv").mountpoint) / "seed").read_text() == "seed\n"


async def test_an_exec_root_that_is_closed(box: Box) -> None:
    box.roots.run.chmod(0o700)
    with pytest.raises(Unsupported, match=rf"chmod o\+x {box.roots.run}$"):
        await box.run("true", host=OWN)
