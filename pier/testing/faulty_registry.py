"""A registry in memory that misbehaves on request.

async with faulty_registry() as registry:
    image = registry.add_image("team/app", "1", [layer_tar])
    registry.misbehave(r"GET .*/blobs/", cut(after=5_000_000), times=3)
    ... pull registry.host + "/team/app:1" ...
    assert registry.served <= ...
"""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256

Fault = Callable[["FaultyRegistry", web.Request], Awaitable[web.StreamResponse]]


@dataclass
class _Rule:
    pattern: re.Pattern[str]
    fault: Fault
    times: int


@dataclass
class FaultyRegistry:
    """``requests`` are ``METHOD path`` in order of arrival, ``headers`` theirs; ``served`` counts blob bytes."""

    host: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    served: int = 0
    _rules: list[_Rule] = field(default_factory=list)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def misbehave(self, pattern: str, fault: Fault, *, times: int = 1_000_000) -> None:
        """Answer with ``fault`` the next ``times`` requests whose ``METHOD path`` matches."""
        self._rules.append(_Rule(re.compile(pattern), fault, times))

    def forget(self) -> None:
        """Behave well again; those that wait for an answer are let go."""
        self._rules.clear()
        self._closing.set()
        self._closing = asyncio.Event()

    def add_blob(self, data: bytes) -> Digest:
        digest = sha256(data)
        self.blobs[digest] = data
        return digest

    def add_manifest(self, name: str, tag: str, document: dict[str, Any]) -> Digest:
        data = json.dumps(document).encode()
        digest = sha256(data)
        for reference in (tag, digest):
            self.manifests[name, reference] = (data, document.get("mediaType", mediatypes.DOCKER_MANIFEST))
        return digest

    def add_image(
        self, name: str, tag: str, tars: list[bytes], *, config: dict[str, Any] | None = None, level: int = 1
    ) -> Digest:
        """Store an image of gzipped layers and return its manifest's digest; ``config`` overrides the defaults."""
        blobs = [gzip.compress(tar, level, mtime=0) for tar in tars]
        rootfs = {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]}
        defaults = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
        body = json.dumps({**defaults, **(config or {})}).encode()
        return self.add_manifest(
            name,
            tag,
            {
                "schemaVersion": 2,
                "mediaType": mediatypes.DOCKER_MANIFEST,
                "config": self._described(mediatypes.DOCKER_CONFIG, body),
                "layers": [self._described(mediatypes.DOCKER_LAYER_GZIP, blob) for blob in blobs],
            },
        )

    def _described(self, media_type: str, data: bytes) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.add_blob(data), "size": len(data)}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append(line)
        self.headers.append(dict(request.headers))
        for rule in self._rules:
            if rule.times > 0 and rule.pattern.search(line):
                rule.times -= 1
                return await rule.fault(self, request)
        return self.answer(request)

    def answer(self, request: web.Request) -> web.Response:
        """What a good registry says."""
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", request.path)
        if match is None:
            return web.json_response({})
        name, kind, reference = match.groups()
        if kind == "blobs":
            return self._blob(request, reference)
        if (name, reference) not in self.manifests:
            return refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        data, media_type = self.manifests[name, reference]
        headers = {"Content-Type": media_type, "Docker-Content-Digest": sha256(data)}
        return web.Response(body=data, headers=headers)

    def _blob(self, request: web.Request, digest: str) -> web.Response:
        if digest not in self.blobs:
            return refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data, first = self.blobs[digest], first_byte(request)
        if request.method == "GET":
            self.served += len(data) - first
        span = {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if first else {}
        return web.Response(body=data[first:], status=206 if first else 200, headers=span)

    async def closing(self) -> None:
        """Return when the registry goes away: what hangs must not outlive it."""
        await self._closing.wait()


def first_byte(request: web.Request) -> int:
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    return int(match[1]) if match else 0


def refuse(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status, headers=headers)


def say(status: int, text: str = "", headers: dict[str, str] | None = None) -> Fault:
    """Answer with these bytes, whatever was asked."""

    async def fault(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return fault


def say_error(status: int, code: str, message: str) -> Fault:
    """Answer with an error body of the distribution specification."""

    async def fault(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        return refuse(status, code, message)

    return fault


async def hang(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
    """Take the request and never answer."""
    await registry.closing()
    return web.Response(status=503)


def cut(after: int, *, stall: bool = False) -> Fault:
    """Serve a blob but reset the connection (or fall silent) ``after`` so many bytes."""

    async def fault(registry: FaultyRegistry, request: web.Request) -> web.StreamResponse:
        whole = registry.blobs[request.path.rpartition("/")[2]]
        first = first_byte(request)
        part = whole[first : first + after]
        answer = web.StreamResponse(status=206 if first else 200)
        answer.content_length = len(whole) - first
        if first:
            answer.headers["Content-Range"] = f"bytes {first}-{len(whole) - 1}/{len(whole)}"
        await answer.prepare(request)
        await answer.write(part)
        registry.served += len(part)
        if stall:
            await registry.closing()
        if request.transport is not None and len(part) < len(whole) - first:
            request.transport.close()
        return answer

    return fault


@asynccontextmanager
async def faulty_registry(address: str = "127.0.0.1") -> AsyncIterator[FaultyRegistry]:
    """Run one on a port of the loopback ``address``."""
    registry = FaultyRegistry()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", registry.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, address, 0)
    await site.start()
    registry.host = f"{f'[{address}]' if ':' in address else address}:{runner.addresses[0][1]}"
    try:
        yield registry
    finally:
        registry._closing.set()
        await runner.cleanup()


@asynccontextmanager
async def raw_server(reply: bytes) -> AsyncIterator[str]:
    """A server that answers every connection with ``reply`` and closes; yields ``host:port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
