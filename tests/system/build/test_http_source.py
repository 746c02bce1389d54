"""ADD of a URL: what is fetched, when it is fetched again, and what is said when it cannot be."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pier.build.context.fetch import Patience
from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.graph import HttpSource
from pier.build.ops import http
from pier.errors import DataCorrupted, DeadlineExceeded, InvalidArgument, Unavailable
from pier.oci.digest import sha256
from pier.testing.exports import Machine
from tests.system.build.fetching import vertex_of

LATER = "Sat, 03 Feb 2001 00:00:00 GMT"
QUICK = Patience(connect=60, silence=0.3)
PATIENT = Patience(connect=60, silence=60)


class Site:
    """A web server with one file. ``asked``: what of it was asked, ``sent``: how often it was sent."""

    def __init__(self) -> None:
        self.content = b"data\n"
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.sent = 0
        self.silent = asyncio.Event()
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self.server = TestServer(application)

    def url(self, path: str = "file") -> str:
        return str(self.server.make_url(f"/{path}"))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.asked.append(path)
        if path == "silence":
            await self.silent.wait()
        if path.startswith("to/"):
            raise web.HTTPFound("/" + path.removeprefix("to/"))
        if path == "loop":
            raise web.HTTPFound("/loop")
        if path == "missing":
            raise web.HTTPNotFound
        if path in ("short", "stalled"):
            return await self._broken(request, path)
        etag = self.headers.get("ETag")
        if etag and etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=self.headers)
        self.sent += 1
        return web.Response(body=self.content, headers=self.headers)

    async def _broken(self, request: web.Request, path: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"beginning")
        if path == "stalled":
            await self.silent.wait()
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with site.server:
        yield site
        site.silent.set()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with Machine(tmp_path / "machine") as made:
        yield made


async def fetch(build: Build, url: str, checksum: str = "", name: str = "file", patience: Patience = PATIENT) -> Files:
    source = vertex_of(HttpSource(url=url, name=name, checksum=checksum))
    return await http.execute(build, source, (), patience=patience)


async def fetched(machine: Machine, url: str, checksum: str = "", patience: Patience = PATIENT) -> bytes:
    """In a build of its own."""
    build = machine.build()
    async with build.lasting:
        files = await fetch(build, url, checksum, patience=patience)
        return (files.folder.path / "file").read_bytes()


def folders(machine: Machine) -> list[str]:
    return sorted(path.name for path in (machine.root / "build" / "http").glob("*"))


async def test_the_file(machine: Machine, site: Site) -> None:
    site.headers["Last-Modified"] = LATER
    build = machine.build()
    async with build.lasting:
        files = await fetch(build, site.url())
        file = files.folder.path / "file"
        assert (file.read_bytes(), oct(file.stat().st_mode)) == (b"data\n", "0o100600")
        assert file.stat().st_mtime == 981158400
        assert os.listdir(files.folder.path) == ["file"]
        assert sha256(b"data\n") in files.immutable
        [record] = machine.cache.list()
        assert (record.kind, record.size) == ("source.http", 5)
        assert record.key in build.deps.in_use
    assert record.key not in build.deps.in_use


@pytest.mark.parametrize(
    ("headers", "transfers"),
    [({}, 2), ({"ETag": '"1"'}, 1), ({"Last-Modified": LATER}, 1), ({"Last-Modified": "nonsense"}, 2)],
)
async def test_what_has_not_changed(machine: Machine, site: Site, headers: dict[str, str], transfers: int) -> None:
    """A body that is known is not waited for."""
    site.headers = headers
    assert await fetched(machine, site.url()) == await fetched(machine, site.url()) == b"data\n"
    assert (len(site.asked), machine.told.parts()) == (2, ["downloading"] * transfers)
    assert len(folders(machine)) == 1


async def test_what_has_changed(machine: Machine, site: Site) -> None:
    for content, etag in ((b"one", '"1"'), (b"two", '"2"'), (b"one", '"1"')):
        site.content, site.headers = content, {"ETag": etag}
        assert await fetched(machine, site.url()) == content
    assert site.sent == 2
    assert len(folders(machine)) == 2


async def test_a_checksum(machine: Machine, site: Site) -> None:
    """Who has it does not ask."""
    with pytest.raises(DataCorrupted, match=f"^digest mismatch {sha256(site.content)}: sha256:{'0' * 64}$"):
        await fetched(machine, site.url(), "sha256:" + "0" * 64)
    await fetched(machine, site.url(), sha256(site.content))
    assert len(site.asked) == 1


async def test_redirects(machine: Machine, site: Site) -> None:
    assert await fetched(machine, site.url("to/to/file")) == b"data\n"
    with pytest.raises(InvalidArgument, match="stopped after 10 redirects"):
        await fetched(machine, site.url("loop"))


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("missing", InvalidArgument, "^invalid response status 404$"),
        ("short", Unavailable, "unexpected EOF"),
        ("silence", DeadlineExceeded, "/silence.*no answer within"),
        ("stalled", DeadlineExceeded, "/stalled.*no answer within"),
    ],
)
async def test_a_clear_error(machine: Machine, site: Site, path: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        await fetched(machine, site.url(path), patience=QUICK if path in ("silence", "stalled") else PATIENT)
    assert folders(machine) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://user:secret@127.0.0.1:1/x", r'^Get "http://user:xxxxx@127.0.0.1:1/x": .*connection refused'),
        ("http://no.such.host.invalid/x", "no such host|temporary failure"),
    ],
)
async def test_nobody_there(machine: Machine, url: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        await fetched(machine, url)


async def test_a_cancelled_transfer_leaves_nothing(machine: Machine, site: Site) -> None:
    running = asyncio.create_task(fetched(machine, site.url("stalled")))
    while not folders(machine):
        await asyncio.wait({running}, timeout=0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert folders(machine) == []
    assert machine.cache.list() == []


async def test_two_builds_at_once(machine: Machine, site: Site) -> None:
    """The second asks whether the first's is still good."""
    site.headers = {"ETag": '"1"'}
    assert await asyncio.gather(*(fetched(machine, site.url()) for _ in range(3))) == [b"data\n"] * 3
    assert site.sent == 1


async def test_a_name_that_is_none(machine: Machine, site: Site) -> None:
    for name in ("a/b", "..", "x\0", "x" * 300):
        with pytest.raises(InvalidArgument, match="is no name for a file"):
            await fetch(machine.build(), site.url(), name=name)
    assert folders(machine) == []
