"""A registry with people in it, of whom each may do something else: a fixture for those who change it, one to share.

A module that takes ``house`` or ``shared`` has a fixture ``stock``, which says what the registry holds.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import PierRegistry, pier_registry

Json = dict[str, Any]


@dataclass(frozen=True)
class House:
    """``http`` is a session without credentials; ``robot`` the secret of the robot."""

    registry: PierRegistry
    http: aiohttp.ClientSession
    database: str
    robot: str

    async def ask(self, method: str, path: str, who: str | None = None, **more: Any) -> tuple[int, list[str]]:
        """Status and codes of errors. ``who``: with a password; see :meth:`token` for the other way."""
        headers = {**(basic(who) if who else {}), **more.pop("headers", {})}
        async with self.http.request(method, path, headers=headers, **more) as answer:
            return answer.status, await codes(answer)

    async def token(self, who: str | None, *scopes: str, **query: str) -> Json:
        auth = basic(who) if who else {}
        asked = [("service", "pier-registry"), *(("scope", scope) for scope in scopes), *query.items()]
        async with self.http.get("/token", params=asked, headers=auth) as answer:
            assert answer.status == 200, await answer.text()
            found: Json = await answer.json()
            return found

    async def with_token(self, method: str, path: str, token: str, **more: Any) -> tuple[int, list[str]]:
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        async with self.http.request(method, path, headers=headers, **more) as answer:
            return answer.status, await codes(answer)

    async def __call__(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask as ``who`` (nobody for ""); the status and the answer's JSON. ``path`` is behind ``/api/v1/``."""
        return await self.request(basic(who) if who else {}, method, f"/api/v1/{path}", body)

    async def request(self, headers: dict[str, str], method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.http.request(method, path, headers=headers, json=body) as answer:
            text = await answer.read()
            return answer.status, json.loads(text) if text else None


Stock = Callable[[aiohttp.ClientSession], Awaitable[None]]


def basic(name: str, word: str | None = None) -> dict[str, str]:
    """The header: with their password, if it is not to be ``word``."""
    word = password(name) if word is None else word
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}


async def codes(answer: aiohttp.ClientResponse) -> list[str]:
    if answer.status < 400:
        return []
    return [error["code"] for error in (await answer.json())["errors"]]


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path, stock: Stock) -> AsyncIterator[House]:
    async with open_house(tmp_path, stock) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, stock: Stock) -> AsyncIterator[House]:
    """For tests that change nothing which another sees."""
    async with open_house(tmp_path_factory.mktemp("shared"), stock) as made:
        yield made


@asynccontextmanager
async def open_house(folder: Path, stock: Stock) -> AsyncIterator[House]:
    (folder / "pier-registry").mkdir()
    database = f"sqlite://{folder}/pier-registry/registry.db"
    robot = await settle(database)
    async with (
        pier_registry(folder, audit_log=folder / "audit.log") as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        await stock(http)
        yield House(registry, http, database, robot)
