"""Lists that come in pages (OCI distribution 1.1, "Listing Tags"; RFC 8288)."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import aiohttp
from yarl import URL

from pier.errors import DataCorrupted
from pier.remote.repository import Repository, Request

_MOST: Final = 10_000
_BYTES: Final = 64 << 20


async def pages(
    repository: Repository, first: Request, largest: int
) -> AsyncGenerator[tuple[aiohttp.ClientResponse, bytes], None]:
    """Each page's answer and body, of ``largest`` bytes at most. ``first`` asks for the first one.

    Raises what asking does; DataCorrupted for a list of more than 64 MiB, or that goes on at no address. It is all of
    the list or an error: whoever deletes what is not in it must not be given a part.
    """
    request, size = first, 0
    for _ in range(_MOST):
        answer, data = await repository.read(request, largest)
        size += len(data)
        if size > _BYTES:
            break
        yield answer, data
        following = _next(answer)
        if following is None:
            return
        request = replace(first, path="", url=following)
    raise DataCorrupted("the registry's list is longer than any could be")


def _next(answer: aiohttp.ClientResponse) -> URL | None:
    """Where the rest is, where there is more (the ``Link`` header)."""
    try:
        link = answer.links.get("next")
        target = link.get("url") if link else None
        return URL(str(target)) if target else None
    except ValueError as error:
        raise DataCorrupted(f"the registry's list goes on at an invalid address: {error}") from error
