"""Writing to a repository: blobs (there already, mounted, or uploaded) and manifests."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from pier.errors import DataCorrupted, Forbidden, NotFound, Unauthorized, Unavailable
from pier.oci.digest import PREFIX, Digest, is_digest, sha256
from pier.oci.manifest import Descriptor
from pier.remote.backoff import pause
from pier.remote.failures import Busy
from pier.remote.repository import Repository, Request

Source = Callable[[], AsyncIterator[bytes]]
"""Gives the bytes of a blob from the beginning, each time it is called."""

_COMMIT_PATIENCE: Final = 300.0
_STREAM: Final = {"Content-Type": "application/octet-stream"}


async def exists(repository: Repository, digest: Digest) -> bool:
    """Whether the repository has the blob."""
    answer = await repository.open(Request("HEAD", f"blobs/{digest}", ok=(200, 404)))
    answer.release()
    return answer.status == HTTPStatus.OK


async def mount(repository: Repository, digest: Digest, source: str) -> bool:
    """Ask for the blob of the repository ``source`` on the same registry; whether it is there now.

    A registry that will not says so by opening an upload, or by refusing; neither is an error.
    """
    request = Request("POST", f"blobs/uploads/?mount={digest}&from={source}", ok=(201, 202), also=(source,))
    try:
        answer = await repository.open(request)
    except (Forbidden, Unauthorized, NotFound):
        return False
    answer.release()
    if answer.status == HTTPStatus.ACCEPTED:
        await _cancel(repository, repository.location(answer))
    return answer.status == HTTPStatus.CREATED


async def upload(repository: Repository, source: Source, descriptor: Descriptor | None = None) -> tuple[Digest, int]:
    """Upload one blob and return its digest and size.

    With ``descriptor`` the length and the digest are known, and one request carries it all; without it
    the bytes are streamed and hashed on the way. A broken upload begins again, not before the registry wants it to.
    """
    settings = repository.settings
    for attempt in range(1, settings.attempts + 1):
        location = await _begin(repository)
        try:
            return await _upload(repository, location, source, descriptor)
        except Unavailable as error:
            delay = max(pause(settings, attempt), error.wait if isinstance(error, Busy) else 0.0)
            if attempt == settings.attempts or delay > settings.longest_delay:
                raise
        await asyncio.sleep(delay)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _begin(repository: Repository) -> URL:
    """Open an upload; that is tried again by itself."""
    answer = await repository.open(Request("POST", "blobs/uploads/", ok=(202,), headers={"Content-Length": "0"}))
    answer.release()
    return repository.location(answer)


async def _upload(
    repository: Repository, location: URL, source: Source, descriptor: Descriptor | None
) -> tuple[Digest, int]:
    if descriptor is not None:
        await _put(repository, location, descriptor.digest, source, descriptor.size)
        return descriptor.digest, descriptor.size
    counted = _Counted(source)
    answer = await repository.open(_write("PATCH", location, _STREAM, counted.chunks, (202,)))
    answer.release()
    await _put(repository, repository.location(answer), counted.digest, None, 0)
    return counted.digest, counted.size


async def _put(repository: Repository, location: URL, digest: Digest, source: Source | None, size: int) -> None:
    headers = {**_STREAM, "Content-Length": str(size)}
    answer = await repository.open(_write("PUT", _with_digest(location, digest), headers, source, (201,)))
    answer.release()


def _write(method: str, url: URL, headers: dict[str, str], body: Source | None, ok: tuple[int, ...]) -> Request:
    return Request(method, url=url, headers=headers, body=body, ok=ok, retry=False, patience=_COMMIT_PATIENCE)


def _with_digest(location: URL, digest: Digest) -> URL:
    """The upload's own query is kept to the letter: registries sign it."""
    separator = "&" if location.raw_query_string else "?"
    return URL(f"{location}{separator}digest={digest.replace(':', '%3A')}", encoded=True)


async def _cancel(repository: Repository, location: URL) -> None:
    try:
        answer = await repository.open(Request("DELETE", url=location, ok=(200, 202, 204, 404, 405), retry=False))
    except (Forbidden, Unauthorized, Unavailable):
        return  # the registry forgets uploads by itself
    answer.release()


class _Counted:
    """Hashes and counts what passes through."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> Digest:
        return Digest(PREFIX + self._hash.hexdigest())

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._source():
            self._hash.update(chunk)
            self.size += len(chunk)
            yield chunk


async def put_manifest(repository: Repository, tag: str, data: bytes, media_type: str) -> Digest:
    """Store a manifest under ``tag`` (or its digest) and return its digest.

    Raises DataCorrupted where the registry says that it stored something else.
    """
    headers = {"Content-Type": media_type}
    answer = await repository.open(Request("PUT", f"manifests/{tag}", headers=headers, body=data, ok=(200, 201)))
    answer.release()
    digest, told = sha256(data), _told(answer)
    if told and told != digest:
        raise DataCorrupted(f"the registry stored manifest {told} where {digest} was pushed")
    return digest


def _told(answer: aiohttp.ClientResponse) -> str:
    text = answer.headers.get("Docker-Content-Digest", "")
    return text if is_digest(text) else ""
