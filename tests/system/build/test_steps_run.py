"""RUN: what a process sees, what it leaves, and how it fails."""

import asyncio
import io
import itertools
import os
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pier.build.graph import InlineFile, Mkdir
from pier.build.ops import mkdir
from pier.build.request import Limits, Ulimit
from pier.build.steps.failed import StepFailed
from pier.errors import Forbidden, InvalidArgument
from pier.testing.buildsteps import Steps, build_steps, vertex
from tests.compat.rootfs import busybox_rootfs

EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


@pytest.fixture
async def steps(tmp_path: Path) -> AsyncIterator[Steps]:
    async with build_steps(tmp_path, busybox_rootfs()) as made:
        yield made
        assert made.left() == []


async def names(steps: Steps, text: str) -> set[str]:
    made = await steps.layer_tar(await steps.run(text))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        return set(tar.getnames())


async def test_a_step_that_changes_nothing_leaves_an_empty_layer(steps: Steps) -> None:
    assert (await steps.run("true")).diff_ids == (*steps.base.diff_ids, EMPTY)


async def test_only_what_changed_is_in_the_layer(steps: Steps) -> None:
    assert await names(steps, "echo x >/etc/x; rm /data/seed; mkdir /n") == {
        "etc",
        "etc/x",
        "data",
        "data/.wh.seed",
        "n",
    }


async def test_what_it_sees(steps: Steps) -> None:
    request = {"extra_hosts": ("one:10.0.0.1", "gate=host-gateway")}
    await steps.run(
        "cat /etc/hosts; hostname; env; pwd; cat; ip -o addr | grep -c eth0", cwd="/not/yet", request=request
    )
    said = steps.said()
    assert "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tone\n" in said
    assert "\tgate\nbuildkitsandbox\n" in said
    assert "HOME=/root\n" in said
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n" in said
    assert "/not/yet\n" in said
    assert said.endswith("\n1\n")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("web", "1000 1000 1000 2000 /home/web"),
        ("1000", "1000 1000 1000 2000 /home/web"),
        ("web:extra", "1000 2000 2000 /home/web"),
        ("4000:5000", "4000 5000 5000 /"),
    ],
)
async def test_users(steps: Steps, user: str, expected: str) -> None:
    await steps.run("echo $(id -u) $(id -g) $(id -G) $HOME >/dev/stdout", user=user)
    assert steps.said() == expected + "\n"


async def test_failures_in_buildkits_words(steps: Steps) -> None:
    with pytest.raises(StepFailed) as failed:
        await steps.run("echo why >&2; exit 3")
    assert str(failed.value) == 'process "/bin/sh -c echo why >&2; exit 3" did not complete successfully: exit code: 3'
    assert (failed.value.exit_code, steps.said()) == (3, "why\n")
    with pytest.raises(StepFailed, match="unable to find user nobody: no matching entries in passwd file"):
        await steps.run("true", user="nobody")


async def test_background_processes_end_with_the_step(steps: Steps) -> None:
    await steps.run("(setsid sleep 1000 &); setsid sleep 1000 & echo done")
    assert steps.said() == "done\n"


async def test_cancelling_ends_all_of_it_at_once(steps: Steps) -> None:
    running = asyncio.create_task(steps.run("trap '' TERM; echo up; sleep 1000"))
    while not steps.said():
        await asyncio.wait({running}, timeout=0.005)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


@pytest.mark.parametrize("after", [0.0, 0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.04])
async def test_cancelled_at_any_time(steps: Steps, after: float) -> None:
    running = asyncio.create_task(steps.run("sleep 0.01"))
    await asyncio.wait({running}, timeout=after)
    running.cancel()
    await asyncio.wait({running})
    assert steps.left() == []


async def test_networks(steps: Steps) -> None:
    await steps.run("ip -o link | wc -l", network="none")
    assert steps.said() == "1\n"
    with pytest.raises(Forbidden, match=r"network\.host is not allowed"):
        await steps.run("true", network="host")
    await steps.run("readlink /proc/self/ns/net", network="host", request={"entitlements": ("network.host",)})
    assert steps.said().strip() == os.readlink("/proc/self/ns/net")


async def test_a_sandbox_is_used_again_and_goes(steps: Steps) -> None:
    networks = steps.deps.networks
    for _ in range(3):
        await steps.run("true")
    bridge = networks.find("bridge")
    assert len(networks.endpoints(bridge.id)) == 1
    await steps.deps.sandboxes.close(networks)
    assert networks.endpoints(bridge.id) == ()


async def test_a_sandbox_that_nobody_came_for_goes(steps: Steps) -> None:
    """It was prepared for a step that was cancelled before it could take it."""
    networks = steps.deps.networks
    bridge = networks.find("bridge")
    steps.deps.sandboxes.prepare(networks)
    async with asyncio.timeout(60):
        await _until(lambda: bool(networks.endpoints(bridge.id)))
        await _until(lambda: not networks.endpoints(bridge.id))


async def _until(condition: Callable[[], bool]) -> None:
    for pause in itertools.repeat(0.02):
        if condition():
            return
        await asyncio.sleep(pause)


async def test_insecure_only_when_entitled(steps: Steps) -> None:
    with pytest.raises(Forbidden, match=r"security\.insecure is not allowed"):
        await steps.run("true", security="insecure")
    with pytest.raises(StepFailed):
        await steps.run("mount -t tmpfs x /www")
    await steps.run("mount -t tmpfs x /www", security="insecure", request={"entitlements": ("security.insecure",)})


async def test_limits(steps: Steps) -> None:
    limits = Limits(shm_size=1 << 20, ulimits=(Ulimit("nofile", 77, 88),), memory=64 << 20)
    await steps.run("ulimit -n; df -k /dev/shm | tail -1", request={"limits": limits})
    assert steps.said().startswith("77\n")
    assert " 1024 " in steps.said()
    with pytest.raises(StepFailed, match="cannot allocate memory"):
        await steps.run("tail /dev/zero; exit $?", request={"limits": limits})


async def test_here_documents(steps: Steps) -> None:
    files = (InlineFile("/dev/pipes/EOF", "#!/bin/sh\necho hello\n"),)
    made = await steps.run("/dev/pipes/EOF", files=files)
    assert steps.said() == "hello\n"
    assert made.diff_ids[-1] == EMPTY


async def test_working_folders(steps: Steps) -> None:
    build = steps.build()
    made = await mkdir.execute(build, vertex(Mkdir(path="/a/b", base=0)), [steps.base])
    with tarfile.open(fileobj=io.BytesIO(await steps.layer_tar(made))) as tar:
        assert [(each.name, each.mode, each.uid) for each in tar] == [("a", 0o755, 0), ("a/b", 0o755, 0)]
    again = await mkdir.execute(build, vertex(Mkdir(path="/a/b", base=0)), [made])
    assert again.diff_ids[-1] == EMPTY
    with pytest.raises(InvalidArgument, match="not a directory"):
        await mkdir.execute(build, vertex(Mkdir(path="/etc/passwd/x", base=0)), [steps.base])
