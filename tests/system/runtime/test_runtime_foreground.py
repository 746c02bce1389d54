"""A container in the foreground: what it says, and that nothing of it is left, however it ends."""

import asyncio

import pytest

from pier.linux import cgroup
from pier.runtime.local import LocalRuntime
from pier.runtime.runtime import STDERR, STDOUT
from tests.system.runtime.conftest import BundleMaker


@pytest.fixture(params=["crun", "runc"])
def runtime_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Said(dict[int, bytes]):
    def __call__(self, stream: int, data: bytes) -> None:
        self[stream] = self.get(stream, b"") + data


async def test_both_streams(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    said = Said()
    id, bundle = bundles("sh", "-c", "echo one; echo two >/dev/stderr; cat; head -c 3000000 /dev/zero")
    assert (await runtime.run_foreground(id, bundle, said)).code == 0
    assert said[STDOUT] == b"one\n" + bytes(3_000_000)
    assert said[STDERR] == b"two\n"


async def test_the_streams_belong_to_the_user(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    said = Said()
    id, bundle = bundles("sh", "-c", "id -u; echo two >/dev/stderr", uid=1000, gid=1000)
    assert (await runtime.run_foreground(id, bundle, said)).code == 0
    assert said == {STDOUT: b"1000\n", STDERR: b"two\n"}


async def test_nothing_survives_the_first_process(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "(setsid sleep 1000 &) ; setsid sleep 1000 & exit 4")
    assert (await runtime.run_foreground(id, bundle, Said())).code == 4
    assert _left(bundles, id) == []


async def test_nothing_survives_being_cancelled(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "trap '' TERM INT; (setsid sleep 1000 &) ; echo up; sleep 1000")
    up = asyncio.Event()
    running = asyncio.create_task(runtime.run_foreground(id, bundle, lambda *_: up.set()))
    await up.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert _left(bundles, id) == []


@pytest.mark.parametrize("after", [0.0, 0.002, 0.006, 0.012, 0.02, 0.03])
async def test_cancelled_while_it_is_being_made(runtime: LocalRuntime, bundles: BundleMaker, after: float) -> None:
    id, bundle = bundles("sleep", "1000")
    running = asyncio.create_task(runtime.run_foreground(id, bundle, Said()))
    await asyncio.wait({running}, timeout=after)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert _left(bundles, id) == []


async def test_killed_by_a_signal(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    assert (await runtime.run_foreground(id, bundle, Said())).code == 137


def _left(bundles: BundleMaker, id: str) -> list[int]:
    return cgroup.pids(cgroup.detect(), bundles.group(id))
