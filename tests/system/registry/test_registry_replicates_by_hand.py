"""``pier registry replicate``, on the host of a registry that runs."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp

from pier.linux import process
from pier.testing.registryserver import pier_registry
from tests.system.registry.images import image, push
from tests.system.registry.replicating import digest, rule

PIER = str(Path(__file__).resolve().parents[3] / "bin" / "pier")


async def replicate(*words: str, code: int = 0, config: Path) -> str:
    argv = [sys.executable, PIER, "registry", "replicate", f"--config={config}", *words]
    done = await process.run(argv, timeout=60, env={**os.environ, "PIER_HOST": "unix:///nowhere.sock"})
    assert done.returncode == code, done
    return (done.stdout + done.stderr).decode()


async def test_one_is_done_now(tmp_path: Path) -> None:
    async with pier_registry(tmp_path / "there") as other, aiohttp.ClientSession(f"http://{other.host}") as there:
        await push(there, "team/app", "1", image(1000))
        pulled = rule("pull", other.host)
        absent = {**rule("pull", "127.0.0.1:1", names=["x"]), "name": "absent"}
        async with (
            pier_registry(tmp_path / "here", replication=[pulled, absent]) as mine,
            aiohttp.ClientSession(f"http://{mine.host}") as here,
        ):
            config = tmp_path / "here" / "pier-registry.toml"
            first = await replicate(config=config)
            assert "mirror   pull" in first and "by hand" in first
            said = await replicate("mirror", config=config)
            assert "team/app:1 sha256:" in said and "1 copied (1100 bytes)" in said
            assert await digest(here, "team/app", "1")
            listed = (await replicate(config=config)).splitlines()
            assert "done" in listed[1] and "never" in listed[2]
            id = (await replicate("--detach", "absent", config=config)).strip()
            async with here.get(f"/api/v1/runs/{id}") as answer:
                assert (await answer.json())["name"] == "absent"
            assert "no such replication in the settings: other" in await replicate("other", code=125, config=config)


async def test_where_there_is_no_registry(tmp_path: Path) -> None:
    config = tmp_path / "registry.toml"
    await asyncio.to_thread(config.write_text, f"root = '{tmp_path}/nothing'\n")
    assert "there is no registry in" in await replicate(config=config, code=125)
