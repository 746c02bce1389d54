"""Whether the registry can serve, for however many who ask."""

import asyncio
from pathlib import Path

import aiohttp

from pier.metadata.registry.records import SqlRecords
from pier.metadata.registry.sqlite import SqliteDatabase
from pier.registry.deps import Registry
from pier.registry.http.app import make_app
from pier.registry.http.health import Health
from pier.registry.http.server import make_server
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage


class Counting(SqlRecords):
    checks = 0

    async def healthy(self) -> None:
        self.checks += 1
        await super().healthy()


async def test_whoever_asks_costs_no_write_each(tmp_path: Path) -> None:
    records = Counting(SqliteDatabase(tmp_path / "registry.db"))
    storage = await open_storage(f"file://{tmp_path}/blobs")
    registry = Registry(records, storage, Settings())
    app = make_app(registry)
    health = Health(registry, app.metrics)
    app.pages["/readyz"] = health.ready
    server = make_server(app)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/readyz"
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as http:

        async def status() -> int:
            async with http.get(url) as answer:
                return answer.status

        began = loop.time()
        assert set(await asyncio.gather(*(status() for _ in range(100)))) == {200}
        assert 1 <= records.checks <= 1 + loop.time() - began
        health.stopping = True
        assert await status() == 503
    listening.close()
    await server.shutdown(0)
    await storage.stop()
    await records.stop()
