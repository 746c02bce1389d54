"""What a build can ask of a client that sent it by ``POST /build``: the archive in the body, and credentials."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from pier.api.call import Call
from pier.build.session import Folder
from pier.errors import Cancelled, NotFound, Unsupported
from pier.remote.settings import Credentials


class ClassicSession:
    """A :class:`pier.build.session.Session` of one request."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._credentials = _by_domain(call.header_json("X-Registry-Config", dict[str, Any]) or {})
        self._taken = False

    def folder(
        self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]
    ) -> AbstractAsyncContextManager[Folder]:
        raise NotFound(f"the client has no folder {name}: it sent an archive")

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
