"""Webhooks of running registries, at receivers that refuse, that never answer, that are told again after a kill."""

import asyncio
import hashlib
import hmac
import json
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pier.metadata.registry.opening import open_records
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.registry.deps import Registry
from pier.registry.happenings import Happening
from pier.registry.hooks.deliver import Webhooks
from pier.registry.settings import Settings, Webhook
from pier.registry.storages.opening import open_storage
from pier.testing.postgres import postgres
from pier.testing.registry import free_port
from pier.testing.registryserver import PierRegistry, pier_registry

CONFIG = {"mediaType": mediatypes.OCI_CONFIG, "digest": sha256(b"{}"), "size": 2}
SECRET = "a secret"
KILLS = 20
CLIENTS = 4
ATTEMPTS = 15


def image(word: str = "") -> bytes:
    """A manifest that no other word's is."""
    more = {"annotations": {"word": word}} if word else {}
    document = {"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": CONFIG, "layers": [], **more}
    return json.dumps(document).encode()


IMAGE = image()


async def push_config(http: aiohttp.ClientSession, name: str) -> None:
    async with http.post(f"/v2/{name}/blobs/uploads/?digest={sha256(b'{}')}", data=b"{}") as answer:
        assert answer.status == 201


async def push_manifest(http: aiohttp.ClientSession, name: str, tag: str, data: bytes) -> Digest:
    async with http.put(
        f"/v2/{name}/manifests/{tag}", data=data, headers={"Content-Type": mediatypes.OCI_MANIFEST}
    ) as answer:
        assert answer.status == 201
    return sha256(data)


async def push(http: aiohttp.ClientSession, name: str) -> None:
    await push_config(http, name)
    await push_manifest(http, name, "1", IMAGE)


@asynccontextmanager
async def receiver(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Its URL."""
    app = web.Application()
    app.router.add_post("/told", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/told"
    finally:
        await runner.cleanup()


class Told:
    """A receiver that takes everything, and counts what it was told by digest."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self._more = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        for event in (await request.json())["events"]:
            self.events[event["target"]["digest"]] += 1
        self._more.set()
        return web.Response()

    async def until(self, digests: set[Digest]) -> None:
        """The caller limits the time."""
        while not digests <= self.events.keys():
            self._more.clear()
            await self._more.wait()


async def test_a_push_is_told_signed_and_again_after_a_refusal_and_a_restart(tmp_path: Path) -> None:
    got: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    answers = iter([500])

    async def receive(request: web.Request) -> web.Response:
        got.put_nowait((request.headers["X-Hub-Signature-256"], await request.read()))
        return web.Response(status=next(answers, 200))

    async with receiver(receive) as url:
        hook = {"name": "ci", "url": url, "secret": SECRET, "names": ["team/*"]}
        async with (
            asyncio.timeout(150),
            pier_registry(tmp_path, webhook=[hook]) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            await push(http, "other/app")
            await push(http, "team/app")
            first = await got.get()
        async with (
            asyncio.timeout(150),
            pier_registry(tmp_path, webhook=[hook]) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            again = await got.get()
            async with http.delete("/v2/team/app/manifests/1") as answer:
                assert answer.status == 202
            _, deleted = await got.get()
    assert first == again
    assert first[0] == "sha256=" + hmac.new(SECRET.encode(), first[1], hashlib.sha256).hexdigest()
    (event,) = json.loads(first[1])["events"]
    assert (event["action"], event["target"]["repository"], event["target"]["tag"]) == ("push", "team/app", "1")
    assert event["target"]["digest"] == sha256(IMAGE)
    assert (event["target"]["size"], event["target"]["length"]) == (len(IMAGE), len(IMAGE))
    assert json.loads(deleted)["events"][0]["action"] == "delete"


async def test_two_instances_tell_each_event_once(tmp_path: Path) -> None:
    told = Told()
    with postgres() as database:
        async with receiver(told.take) as url:
            shared = {
                "database": database.url,
                "storage": f"file://{tmp_path}/blobs",
                "webhook": [{"name": "ci", "url": url}],
                "access_log": False,
            }
            async with (
                asyncio.timeout(150),
                pier_registry(tmp_path / "one", **shared) as one,
                pier_registry(tmp_path / "two", **shared) as two,
                aiohttp.ClientSession(f"http://{one.host}") as first,
                aiohttp.ClientSession(f"http://{two.host}") as second,
            ):
                await push_config(first, "team/app")
                pushed = {
                    await push_manifest(http, "team/app", f"t{number}", image(f"{number}-{http is first}"))
                    for number in range(60)
                    for http in (first, second)
                }
                await told.until(pushed)
                async with first.get("/api/v1/jobs") as answer:
                    left = await answer.json()
                while left:
                    async with first.get("/api/v1/jobs") as answer:
                        left = await answer.json()
    assert told.events == Counter(pushed)


async def test_who_never_answers_keeps_nothing_from_another(tmp_path: Path) -> None:
    told, asked = Told(), 0
    over = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await over.wait()
        return web.Response()

    async with receiver(told.take) as quick, receiver(silent) as slow:
        hooks = [{"name": "a", "url": slow}, {"name": "b", "url": quick}]
        async with (
            asyncio.timeout(150),
            pier_registry(tmp_path, webhook=hooks) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            began = time.monotonic()
            await push_config(http, "team/app")
            pushed = {await push_manifest(http, "team/app", f"t{each}", image(f"{each}")) for each in range(30)}
            await told.until(pushed)  # all are due by now, and the silent one has ten seconds for each of its thirty
            assert 1 <= asked <= 4 * (1 + (time.monotonic() - began) // 10)
            over.set()


async def test_an_address_with_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    """What went wrong is: with the connection, with the answer, with the time that it takes."""
    answers = iter([b"", b"\0\0\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"])
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(next(answers))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://me:word@127.0.0.1:{server.sockets[0].getsockname()[1]}/told?token=secret-token"
    async with (
        asyncio.timeout(150),
        server,
        pier_registry(tmp_path, webhook=[{"name": "ci", "url": url}]) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        await push(http, "team/app")
        said: list[str] = []
        while len(said) < 3:
            async with http.get("/api/v1/jobs") as found:
                (job,) = await found.json()
            if job["last_error"] and job["last_error"] not in said:
                said.append(job["last_error"])
            await asyncio.sleep(0)
    assert said == [
        "the receiver has closed the connection without an answer",
        "what the receiver answers is no HTTP",
        "the receiver answered with status 302",
    ]
    assert all(b"User-Agent: pier-registry/" in head and b"POST /told?token=secret-token" in head for head in heads)
    assert "secret-token" not in registry.log.read_text() and ":word" not in registry.log.read_text()


@pytest.mark.parametrize("url", ["https://", "http://host:99999/x", "http://[::1/x", "http:///x"])
async def test_addresses_that_are_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="webhook ci: its url is no address"):
        async with pier_registry(tmp_path, webhook=[{"name": "ci", "url": url}]):
            pass


async def test_after_fifteen_refusals_nobody_is_told_any_more(tmp_path: Path) -> None:
    """Each later than the one before, by the clock of the registry."""
    now, bodies = 1000, []

    async def refuse(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=503)

    records, storage = await open_records(f"sqlite://{tmp_path}/db"), await open_storage(f"file://{tmp_path}/blobs")
    async with asyncio.timeout(150), receiver(refuse) as url:
        registry = Registry(records, storage, Settings(webhook=(Webhook(name="ci", url=url),)), clock=lambda: now)
        hooks = Webhooks(registry)
        for job in hooks.plan(Happening(kind="push", repository="a", digest=sha256(IMAGE), tags=("1",), at=now)):
            await records.add_job(job)
        pauses = []
        while jobs := await records.jobs():
            now = jobs[0].due
            working = asyncio.create_task(hooks.worker.run())
            while (left := await records.jobs()) and left[0].due in (now, now + registry.settings.job_lease):
                await asyncio.wait([working], timeout=0.01)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            pauses += [each.due - now for each in left]
    await storage.stop()
    await records.stop()
    assert len(bodies) == ATTEMPTS and len(set(bodies)) == 1
    assert pauses == [min(2**number, 3600) for number in range(1, ATTEMPTS)]


async def rush(registry: PierRegistry, number: int, turn: int, answered: set[Digest]) -> None:
    """Push until the registry is gone; ``answered`` are those that it has said 201 to."""
    async with aiohttp.ClientSession(f"http://{registry.host}") as http:
        for count in range(1000):
            try:
                digest = await push_manifest(http, "team/app", f"t{number}", image(f"{turn}-{number}-{count}"))
            except aiohttp.ClientError:
                return
            answered.add(digest)


async def test_twenty_kills_lose_no_event(tmp_path: Path) -> None:
    """Killed anywhere between a push and its delivery. What was about to be told is told when its lease has ended."""
    told = Told()
    answered: set[Digest] = set()
    async with receiver(told.take) as url:
        settings = {"webhook": [{"name": "ci", "url": url}], "access_log": False, "collect_every": 1000, "job_lease": 3}
        async with (
            pier_registry(tmp_path, **settings) as registry,
            aiohttp.ClientSession(f"http://{registry.host}") as http,
        ):
            await push(http, "team/app")
        for turn in range(KILLS):
            async with pier_registry(tmp_path, **settings) as registry:
                before = len(answered)
                rushing = [asyncio.create_task(rush(registry, each, turn, answered)) for each in range(CLIENTS)]
                while turn % 2 and len(answered) < before + 4:
                    await asyncio.wait(rushing, timeout=0.01)
                await asyncio.wait(rushing, timeout=random.random() * 0.3)
                registry.child.send_signal(signal.SIGKILL)
                await asyncio.gather(*rushing)
        async with asyncio.timeout(120), pier_registry(tmp_path, **settings):
            await told.until(answered)
    assert len(answered) > KILLS
