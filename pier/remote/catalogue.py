"""Which repositories a registry has (Docker's ``/v2/_catalog``; not all registries tell)."""

from contextlib import aclosing
from typing import Final

import msgspec

from pier.errors import DataCorrupted
from pier.remote.pages import pages
from pier.remote.repository import Repository, Request

_BODY: Final = 8 << 20
_PAGE: Final = 1000
_SCOPES: Final = ("registry:catalog:*",)


class _Catalogue(msgspec.Struct):
    repositories: list[str] | None = None


async def catalogue(repository: Repository) -> list[str]:
    """Of the registry of ``repository``, whichever that is.

    Raises Unauthorized, Forbidden, NotFound, Unsupported where it does not tell us.
    """
    found: list[str] = []
    first = Request("GET", url=(repository.endpoint.v2 / "_catalog").with_query(n=_PAGE), scopes=_SCOPES)
    async with aclosing(pages(repository, first, _BODY)) as bodies:
        async for _, data in bodies:
            try:
                found += msgspec.json.decode(data, type=_Catalogue).repositories or []
            except msgspec.DecodeError as error:
                raise DataCorrupted(f"the registry's list of repositories is invalid: {error}") from error
    return found
