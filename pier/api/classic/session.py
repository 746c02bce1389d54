"""What a build can ask of a client that sent it by ``POST /build``: the archive in the body, and credentials."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pier.api.call import Call
from pier.api.classic.context import removed, unpacked
from pier.build.session import Folder
from pier.errors import Cancelled, NotFound, Unsupported
from pier.remote.settings import Credentials

_CONTEXT: Final = "upload:context"


class ClassicSession:
    """A :class:`pier.build.session.Session` of one request. ``close`` it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._credentials = _by_domain(call.header_json("X-Registry-Config", dict[str, Any]) or {})
        self._taken = False
        self._place: asyncio.Task[Path] | None = None

    @asynccontextmanager
    async def folder(self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]) -> AsyncIterator[Folder]:
        """The archive, unpacked when it is first asked for."""
        if name != _CONTEXT:
            raise NotFound(f"the client has no folder {name}: it sent an archive")
        if self._place is None:
            tmp = self._call.services.images.tmp
            self._place = asyncio.ensure_future(unpacked(tmp, self.upload("context")))
        place = await asyncio.shield(self._place)
        yield Folder(place / "context", f"classic:{place.name}")

    async def close(self) -> None:
        """Nothing of the archive is left then."""
        if self._place is None:
            return
        self._place.cancel()
        await asyncio.wait([self._place])
        if not self._place.cancelled() and self._place.exception() is None:
            await removed(self._place.result())

    async def upload(self, name: str) -> AsyncIterator[bytes]:
        if name != "context" or self._taken:
            raise NotFound(f"the client sent no archive {name}")
        self._taken = True
        try:
            async for chunk in self._call.request.content.iter_any():
                yield chunk
        except ConnectionError as error:
            raise Cancelled("the client went away") from error

    async def secret(self, id: str) -> bytes | None:
        return None

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        raise NotFound(f"unset ssh forward key {id}")

    async def credentials(self, domain: str) -> Credentials | None:
        return self._credentials.get(_domain(domain))

    async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
        raise Unsupported("POST /build gives its client no archives")


def _by_domain(configs: Mapping[str, Any]) -> dict[str, Credentials]:
    """``{"https://index.docker.io/v1/": {"username": ...}}``"""
    return {
        _domain(server): Credentials.from_auth_config({"serveraddress": server, **config})
        for server, config in configs.items()
        if isinstance(config, Mapping) and any(config.values())
    }


def _domain(server: str) -> str:
    host = server.partition("://")[2] or server
    host = host.partition("/")[0].lower()
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host
