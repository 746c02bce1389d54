"""One request, as the handlers see it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from pier.errors import DeadlineExceeded
from pier.oci.digest import Digest
from pier.registry import names
from pier.registry.blobs.digests import parsed
from pier.registry.deps import Registry
from pier.registry.http.routes import Match
from pier.registry.principal import Anyone, Principal
from pier.registry.upstream.cache import Cache

WHO: Final = "who"
"""Where a page leaves in the request who has asked, for the log."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LARGEST_PIECE: Final = 256 << 10
"""Of an upload that is alone, and twice as much is read ahead; a hundred at once share the same memory."""


@dataclass(slots=True)
class Call:
    """``principal`` is anyone until the guard has said who, ``address`` the client's.

    ``cache`` knows what comes from other registries, where any is pulled through.
    ``received`` and ``sent`` count the bodies' bytes. ``began``: the answer's head has left, and cannot be another.
    ``concerned``: the digest that it was about, where the answer does not say.
    """

    request: web.BaseRequest
    registry: Registry
    match: Match
    cache: Cache | None = None
    principal: Principal = field(default_factory=Anyone)
    address: str = ""
    received: int = 0
    sent: int = 0
    began: bool = False
    concerned: str = ""

    @property
    def repository(self) -> str:
        """Raises Refusal NAME_INVALID."""
        return names.repository(self.match.name)

    @property
    def digest(self) -> Digest:
        """The reference, which has to be a digest. Raises Refusal DIGEST_INVALID."""
        return parsed(self.match.reference)

    @property
    def holder(self) -> str:
        """Who leases the blobs of a push: the nearest there is to saying which push it is."""
        return f"{self.principal.name}@{self.address}"

    def query(self, name: str) -> str:
        return self.request.query.get(name, "")

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name)

    @property
    def heads_only(self) -> bool:
        return self.request.method == "HEAD"

    async def body(self) -> AsyncIterator[bytes]:
        """What the client sends, in pieces as they come. Raises DeadlineExceeded where it falls silent, ConnectionError
        where it goes."""
        self._go_on()
        content = self.request.content
        patience = self.registry.settings.idle_timeout
        size = min(_LARGEST_PIECE, self.registry.underway.piece())
        while True:
            try:
                async with asyncio.timeout(patience):
                    piece = await content.read(size)
            except TimeoutError as error:
                raise DeadlineExceeded("the client has stopped sending") from error
            if not piece:
                return
            self.received += len(piece)
            yield piece

    async def whole_body(self, most: int) -> bytes | None:
        """All of it, or None where it is longer than ``most``: no more than that is ever in memory."""
        if (self.request.content_length or 0) > most:
            return None
        pieces: list[bytes] = []
        async for piece in self.body():
            pieces.append(piece)
            if self.received > most:
                return None
        return b"".join(pieces)

    def _go_on(self) -> None:
        """Some clients ask before they send a large body."""
        if (self.header("Expect") or "").lower() == "100-continue" and self.request.transport:
            self.request.transport.write(_CONTINUE)
