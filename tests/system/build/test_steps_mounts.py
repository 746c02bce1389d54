"""RUN --mount: what is there, to whom it belongs, and that none of it gets into a layer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pier.build.graph import Mount
from pier.build.steps.cachemounts import folder_of
from pier.errors import InvalidArgument, NotFound
from pier.testing.buildsteps import Steps, build_steps
from tests.compat.rootfs import busybox_rootfs

EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


@pytest.fixture
async def steps(tmp_path: Path) -> AsyncIterator[Steps]:
    async with build_steps(tmp_path, busybox_rootfs()) as made:
        yield made
        assert made.left() == []


def mounted(*mounts: Mount) -> dict[str, Any]:
    return {"mounts": mounts}


async def test_mount_points_do_not_stay(steps: Steps) -> None:
    steps.client.secrets["s"] = b"word"
    wanted = mounted(
        Mount("tmpfs", "/deep/down/t"),
        Mount("cache", "/var/cache/x", id="x"),
        Mount("secret", "/run/secrets/s", id="s"),
        Mount("secret", "/etc/token", id="s"),
    )
    made = await steps.run("touch /deep/down/t/a /var/cache/x/b && cat /run/secrets/s /etc/token", **wanted)
    assert steps.said() == "wordword"
    assert made.diff_ids[-1] == EMPTY


async def test_caches_are_kept_and_shared(steps: Steps) -> None:
    one = Mount("cache", "/c", id="one", uid=1000, gid=2000, mode=0o750)
    await steps.run("stat -c '%u %g %a' /c; echo kept >/c/file", **mounted(one))
    assert steps.said() == "1000 2000 750\n"
    await steps.run("cat /other/file", **mounted(Mount("cache", "/other", id="one")))
    assert steps.said() == "kept\n"
    await steps.run("ls /c", **mounted(Mount("cache", "/c", id="two")))
    assert steps.said() == ""
    assert (folder_of(steps.deps, "one") / "file").read_text() == "kept\n"
    record = next(each for each in steps.deps.cache.list() if "one" in each.description)
    assert (record.kind, record.uses, record.size) == ("exec.cachemount", 2, 5)
    assert steps.deps.root / record.path == folder_of(steps.deps, "one")


async def together(steps: Steps, sharing: str) -> str:
    """What two steps at a time saw of each other in one cache."""
    text = "echo x >/c/$(cat /proc/sys/kernel/random/uuid); sleep 0.3; ls /c | wc -l; rm -f /c/*"
    wanted = mounted(Mount("cache", "/c", id=sharing, sharing=sharing))
    await asyncio.gather(steps.run(text, **wanted), steps.run(text, **wanted))
    return "".join(sorted(steps.said().split()))


@pytest.mark.parametrize("sharing", ["private", "locked"])
async def test_caches_that_are_not_shared(steps: Steps, sharing: str) -> None:
    assert await together(steps, sharing) == "11"


async def test_caches_that_are_shared(steps: Steps) -> None:
    """Each waits until it sees the other."""
    text = "touch /c/$(cat /proc/sys/kernel/random/uuid); until test $(ls /c | wc -l) = 2; do sleep 0.02; done"
    wanted = mounted(Mount("cache", "/c", id="shared", sharing="shared"))
    await asyncio.gather(steps.run(text, **wanted), steps.run(text, **wanted))


async def test_read_only_caches(steps: Steps) -> None:
    await steps.run("echo x >/c/x || echo refused", **mounted(Mount("cache", "/c", id="ro", read_only=True)))
    assert "refused\n" in steps.said()


async def test_memory(steps: Steps) -> None:
    wanted = mounted(Mount("tmpfs", "/t", size=1 << 20))
    await steps.run("df -k /t | tail -1; dd if=/dev/zero of=/t/x bs=1k count=2000 2>/dev/null || echo full", **wanted)
    assert " 1024 " in steps.said()
    assert "full\n" in steps.said()


async def test_secrets(steps: Steps) -> None:
    steps.client.secrets["s"] = b"sesame-7391"
    wanted = mounted(
        Mount("secret", "/run/secrets/s", id="s"),
        Mount("secret", "/mine", id="s", mode=0o440, uid=1000, gid=2000),
        Mount("secret", id="s", env="WORD"),
        Mount("secret", "/none", id="not-there"),
    )
    await steps.run("stat -c '%u %g %a' /run/secrets/s /mine; echo $WORD; ls /none; true", **wanted)
    assert "0 0 400\n1000 2000 440\nsesame-7391\n" in steps.said()
    assert "No such file" in steps.said()
    with pytest.raises(NotFound, match="secret not-there: not found"):
        await steps.run("true", **mounted(Mount("secret", "/none", id="not-there", required=True)))
    assert not [each for each in steps.roots.root.rglob("*") if each.is_file() and b"sesame-7391" in each.read_bytes()]


async def test_agents(steps: Steps, tmp_path: Path) -> None:
    path = Path("/run") / f"{tmp_path.name}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        steps.client.agents["default"] = path
        await steps.run("stat -c '%F %a %u' /agent", **mounted(Mount("ssh", "/agent", id="default", uid=1000)))
    path.unlink()
    assert steps.said() == "socket 600 1000\n"
    await steps.run("true", **mounted(Mount("ssh", "/agent", id="other")))
    with pytest.raises(InvalidArgument, match="unset ssh forward key other"):
        await steps.run("true", **mounted(Mount("ssh", "/agent", id="other", required=True)))
