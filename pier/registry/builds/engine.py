"""A Docker Engine, Pier's or Docker's, as far as builds need it: build, push, and take tags away again."""

import base64
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec

from pier.errors import PierError, Unavailable
from pier.registry.builds import enginetls
from pier.registry.builds.failed import BuildFailed
from pier.registry.settings import Build
from pier.registry.threads import hop

_CONNECT: Final = 10.0
_CLEANING: Final = aiohttp.ClientTimeout(total=20)
_ANSWERING: Final = aiohttp.ClientTimeout(total=30)
"""For what costs an engine nothing: one that is stopped would have all builds wait until their time is over."""

_LONGEST: Final = 1 << 20
_BUSY: Final = frozenset({502, 503, 504})
Say = Callable[[str], None]


class Engine:
    """One conversation. Whoever is cancelled cancels what the engine does: it ends with the connection."""

    def __init__(self, http: aiohttp.ClientSession, certs: str = "") -> None:
        self._http = http
        self._certs = certs

    async def build(
        self,
        query: Mapping[str, str],
        names: Sequence[str],
        bases: str,
        context: AsyncIterable[bytes] | None,
        say: Say,
    ) -> None:
        """``names`` are given to the image. ``bases``: the header X-Registry-Config. Raises BuildFailed, Unavailable.

        ``context`` is a tar archive; None where the engine itself fetches what the query says.
        """
        pairs = [*query.items(), *(("t", name) for name in names)]
        headers = {"Content-Type": "application/x-tar", "X-Registry-Config": bases}
        await self._tell("POST", "/build", pairs, headers, say, context)

    async def push(self, name: str, token: str, say: Say) -> None:
        """``name`` has a tag. Raises BuildFailed, Unavailable."""
        repository, _, tag = name.rpartition(":")
        secret = base64.urlsafe_b64encode(json.dumps({"registrytoken": token}).encode()).decode()
        path = f"/images/{quote(repository)}/push"
        await self._tell("POST", path, [("tag", tag)], {"X-Registry-Auth": secret}, say)

    async def has(self, name: str) -> bool:
        """Raises Unavailable."""
        try:
            async with self._http.get(f"/images/{quote(name)}/json", timeout=_ANSWERING) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._away(error) from error

    async def untag(self, name: str) -> None:
        """What was built stays as far as the engine keeps it for the next build. Raises Unavailable."""
        try:
            url = f"/images/{quote(name)}?noprune=1"
            async with self._http.delete(url, timeout=_CLEANING) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._away(error) from error

    async def _tell(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        say: Say,
        data: AsyncIterable[bytes] | None = None,
    ) -> None:
        try:
            async with self._http.request(method, path, params=list(query), headers=headers, data=data) as answer:
                if answer.status != 200:
                    raise _refused(answer.status, await answer.content.read(_LONGEST))
                async for line in _lines(answer.content):
                    say_line(line, say)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> PierError:
        """Unavailable; BuildFailed where no time mends it. On a certificate of ours that is wrong it just hangs up."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return BuildFailed(f"the engine's certificate is not what ca.pem in {self._certs} vouches for: {error}")
        hint = f"; does it take the cert.pem in {self._certs}?" if self._certs else ""
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        return Unavailable(f"the engine does not answer: {said}{hint}")


@asynccontextmanager
async def connected(rule: Build, address: str) -> AsyncIterator[Engine]:
    """The rule's: ``unix:///path``, ``tcp://host:port``, with ``engine_certs`` over TLS. Nothing is asked yet.

    Raises BuildFailed for certificates that cannot be used.
    """
    tls = await hop(None, enginetls.context, rule.engine_certs) if rule.engine_certs else None
    unix = address.removeprefix("unix://") if address.startswith("unix://") else ""
    base = "http://engine" if unix else f"http{'s' if tls else ''}://{address.partition('://')[2]}"
    connector = aiohttp.UnixConnector(unix) if unix else aiohttp.TCPConnector(ssl=tls or True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as http:
        yield Engine(http, rule.engine_certs)


def _refused(status: int, body: bytes) -> PierError:
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, LookupError, TypeError):
        message = body[:200].decode(errors="replace").strip() or f"status {status}"
    return Unavailable(f"the engine: {message}") if status in _BUSY else BuildFailed(message)


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Of a line that is too long for anybody nothing is kept but its end."""
    rest = b""
    async for piece in stream.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        rest = rest[-_LONGEST:]
    yield rest


def say_line(line: bytes, say: Say) -> None:
    """Raises BuildFailed for an error. Bars of progress are for people who wait."""
    if not line.strip():
        return
    try:
        message = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        say(line.decode(errors="replace") + "\n")
        return
    if "error" in message:
        say(f"{message['error']}\n")
        raise BuildFailed(str(message["error"]))
    if "stream" in message:
        say(str(message["stream"]))
    elif "status" in message and not message.get("progressDetail"):
        id = f"{message['id']}: " if message.get("id") else ""
        say(f"{id}{message['status']}\n")
