"""Which repositories a registry has (Docker's ``/v2/_catalog``; not all registries tell)."""

from typing import Final

import msgspec

from pier.errors import DataCorrupted
from pier.remote.fetch import next_page
from pier.remote.repository import Repository, Request

_BODY: Final = 8 << 20
_PAGE: Final = 1000
_MOST_PAGES: Final = 1000
_SCOPES: Final = ("registry:catalog:*",)


class _Catalogue(msgspec.Struct):
    repositories: list[str] | None = None


async def catalogue(repository: Repository) -> list[str]:
    """Of the registry of ``repository``, whichever that is.

    Raises Unauthorized, Forbidden, NotFound, Unsupported where it does not tell us.
    """
    found: list[str] = []
    url = (repository.endpoint.v2 / "_catalog").with_query(n=_PAGE)
    request: Request | None = Request("GET", url=url, scopes=_SCOPES)
    for _ in range(_MOST_PAGES):
        assert request is not None
        answer, data = await repository.read(request, _BODY)
        try:
            found += msgspec.json.decode(data, type=_Catalogue).repositories or []
        except msgspec.DecodeError as error:
            raise DataCorrupted(f"the registry's list of repositories is invalid: {error}") from error
        following = next_page(answer)
        if following is None:
            break
        request = Request("GET", url=answer.url.join(following.url), scopes=_SCOPES) if following.url else None
    return found
