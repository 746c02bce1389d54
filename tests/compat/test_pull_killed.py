"""A pull whose daemon is killed, over a line that breaks: what was fetched is not fetched again."""

import asyncio
import os
from pathlib import Path

from pier.testing.engine import RunningEngine, running_engine
from pier.testing.faulty_registry import FaultyRegistry, cut, faulty_registry
from pier.testing.images import layer_tar
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually

SIZE = 30_000_000
CUT = 5_000_000
ON_ITS_WAY = 200_000
"""In buffers when the daemon dies: the most that is fetched twice."""
PATIENCE = 60.0


async def test_a_killed_daemon_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with faulty_registry() as registry:
        registry.add_image("t/app", "1", [layer_tar(big=os.urandom(SIZE)), layer_tar(small=b"x")])
        whole = sum(len(blob) for blob in registry.blobs.values())
        with running_engine(tmp_path) as engine:
            cli = Docker(docker_program(), engine.host, tmp_path / "config", "pier.test=killed")
            name = f"{registry.host}/t/app:1"
            await killed_in_the_middle(registry, engine, cli, name)
            registry.misbehave("GET .*/blobs/", cut(after=CUT))
            await asyncio.to_thread(cli, "pull", name)
            assert registry.served <= 1.05 * whole
            assert cli("image", "inspect", "-f", "{{len .RootFS.Layers}}", name).out == "2"


async def killed_in_the_middle(registry: FaultyRegistry, engine: RunningEngine, cli: Docker, name: str) -> None:
    """Kill the daemon once it has all that the registry gives it before it falls silent."""
    big = max(registry.blobs, key=lambda digest: len(registry.blobs[digest]))
    registry.misbehave(f"GET .*/blobs/{big}", cut(after=CUT, stall=True))
    pulling = cli.spawn("pull", name)
    try:
        await asyncio.to_thread(eventually, lambda: fetched(engine) >= CUT - ON_ITS_WAY)
    finally:
        engine.kill()
        pulling.communicate(timeout=PATIENCE)
    registry.forget()
    engine.start()


def fetched(engine: RunningEngine) -> int:
    """Bytes of the largest blob that is half there."""
    return max((path.stat().st_size for path in (engine.root / "content/ingest").iterdir()), default=0)
