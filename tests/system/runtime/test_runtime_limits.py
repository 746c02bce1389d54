"""Limits bite."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from pier.linux import cgroup
from pier.runtime.local import LocalRuntime
from pier.runtime.plan import Resources, Ulimit
from pier.runtime.runtime import STDOUT, Stdio
from pier.testing.runtime import output_of
from tests.system.runtime.conftest import BundleMaker


async def run(runtime: LocalRuntime, id: str, bundle: Path) -> tuple[int, bytes, bool]:
    """Exit code, standard output, and whether memory ran out."""
    container = await runtime.create(id, bundle, Stdio())
    stream = await runtime.attach(container)
    await runtime.start(container)
    output = await output_of(stream)
    stream.close()
    result = await runtime.wait(container)
    await runtime.delete(id)
    return result.code, output[STDOUT], result.oom_killed


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what the kernel announces to no one."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_memory(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    hungry = "exec tail -c 100m /dev/zero"  # keeps what it has read in memory
    limited = Resources(memory=16 << 20, memory_swap=16 << 20)
    id, bundle = bundles("sh", "-c", hungry, resources=limited)
    code, _, oom_killed = await run(runtime, id, bundle)
    assert (code, oom_killed) == (137, True)
    id, bundle = bundles("true", resources=limited)
    code, _, oom_killed = await run(runtime, id, bundle)
    assert (code, oom_killed) == (0, False)


async def test_pids(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "sleep 5 & sleep 5 & sleep 5 & sleep 5 & wait", resources=Resources(pids_limit=3))
    code, _, _ = await run(runtime, id, bundle)
    assert code == 2  # the shell: can't fork
    id, bundle = bundles("sh", "-c", "true & true & true & wait", resources=Resources(pids_limit=30))
    assert (await run(runtime, id, bundle))[0] == 0


async def test_cpu(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "while :; do :; done", resources=Resources(nano_cpus=50_000_000))
    container = await runtime.create(id, bundle, Stdio())
    await runtime.start(container)
    stat = runtime.trees.directory("cpu", container.cgroup) / "cpu.stat"
    await eventually(lambda: cgroup.read_pairs(stat)["nr_throttled"] >= 2)
    await runtime.delete(id, force=True)
    assert (await runtime.wait(container)).code == 137


async def test_update_changes_a_limit(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sleep", "1000", resources=Resources(pids_limit=50))
    container = await runtime.create(id, bundle, Stdio())
    await runtime.start(container)
    await runtime.update(id, {"pids": {"limit": 20}})
    assert (runtime.trees.directory("pids", container.cgroup) / "pids.max").read_text() == "20\n"
    await runtime.delete(id, force=True)


async def test_ulimits(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "ulimit -n; ulimit -Hn", ulimits=(Ulimit("nofile", 100, 200),))
    assert await run(runtime, id, bundle) == (0, b"100\n200\n", False)


async def test_pause_stands_still(runtime: LocalRuntime, bundles: BundleMaker) -> None:
    id, bundle = bundles("sh", "-c", "while :; do :; done")
    container = await runtime.create(id, bundle, Stdio())
    await runtime.start(container)

    def used() -> str:
        return Path(f"/proc/{container.pid}/stat").read_text().split()[13]

    await runtime.pause(container)
    assert cgroup.frozen(runtime.trees, container.cgroup)
    before = used()
    await asyncio.sleep(0.1)
    assert used() == before
    await runtime.resume(container)
    await eventually(lambda: used() != before)
    await runtime.pause(container)
    await runtime.delete(id, force=True)
    assert (await runtime.wait(container)).code == 137
