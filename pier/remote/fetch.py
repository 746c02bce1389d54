"""Reading a repository: manifests, blobs, tags. Refusals are worded as Docker's pull words them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from pier.errors import DataCorrupted, DeadlineExceeded, Forbidden, NotFound, PierError, Unavailable
from pier.oci.digest import Digest, is_digest, sha256
from pier.oci.manifest import MAX_MANIFEST_BYTES, Descriptor
from pier.oci.mediatypes import MANIFEST_TYPES
from pier.oci.reference import Reference
from pier.remote.backoff import pause
from pier.remote.pages import pages
from pier.remote.repository import Repository, Request

_ACCEPT: Final = ", ".join(MANIFEST_TYPES)
_TAGS_BODY: Final = 8 * 1024 * 1024
_PROGRESS: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """The bytes as they came, their own digest, and the sender's media type ("" where it named none)."""

    data: bytes
    digest: Digest
    media_type: str


async def manifest(repository: Repository, reference: Reference) -> FetchedManifest:
    """The manifest or index that ``reference`` (a digest before a tag) names.

    Raises NotFound in Docker's words, DataCorrupted where the bytes are not what the digest promises.
    """
    wanted = reference.digest or reference.tag or "latest"
    shown = "GET" if reference.digest else "HEAD"  # Docker asks for a tag's digest first
    again = not repository.endpoint.mirror  # there is another source: nobody waits for one that is busy
    request = Request("GET", f"manifests/{wanted}", headers={"Accept": _ACCEPT}, shown=shown, retry=again)
    try:
        answer, data = await repository.read(request, MAX_MANIFEST_BYTES)
    except (NotFound, Forbidden) as error:
        raise _missing(error, reference) from error
    digest = sha256(data)
    if reference.digest and digest != reference.digest:
        raise DataCorrupted(f"manifest verification failed for digest {reference.digest}")
    return FetchedManifest(data, digest, answer.headers.get("Content-Type", ""))


async def manifest_digest(repository: Repository, reference: Reference) -> Digest | None:
    """What a tag points to just now, by HEAD, which Docker Hub does not count; None where it is not told."""
    wanted = reference.digest or reference.tag or "latest"
    request = Request("HEAD", f"manifests/{wanted}", headers={"Accept": _ACCEPT}, ok=(200, 404, 405))
    try:
        answer = await repository.open(request)
    except Forbidden as error:
        raise _missing(error, reference) from error
    answer.release()
    told = answer.headers.get("Docker-Content-Digest", "")
    return Digest(told) if answer.status == HTTPStatus.OK and is_digest(told) else None


def _missing(error: PierError, reference: Reference) -> PierError:
    text = str(error)
    if isinstance(error, Forbidden):
        hint = "repository does not exist or may require 'docker login'"
        return NotFound(f"pull access denied for {reference.familiar_name}, {hint}: {text}")
    if text.startswith("name unknown"):
        return NotFound(f"repository {reference.familiar_name} not found: {text}")
    return NotFound(f"manifest for {reference.familiar} not found: {text}")


async def blob(repository: Repository, descriptor: Descriptor, offset: int = 0) -> AsyncGenerator[bytes, None]:
    """The bytes of a blob from ``offset`` on, in pieces of any size; the digest is the caller's to check.

    A transfer that breaks goes on from where it stopped, as long as it makes some headway. Raises
    DataCorrupted for more bytes than the descriptor promises.
    """
    position, failed = offset, 0
    while True:
        begun = position
        answer = await _open_blob(repository, descriptor, position)
        try:
            async with aclosing(_body(repository, answer, position - _first_byte(answer, position))) as pieces:
                async for piece in pieces:
                    position += len(piece)
                    if position > descriptor.size:
                        raise DataCorrupted(
                            f"blob {descriptor.digest} is longer than the {descriptor.size} bytes promised"
                        )
                    yield piece
            if position == descriptor.size:
                return
            raise Unavailable(f"blob {descriptor.digest} ended after {position} of {descriptor.size} bytes")
        except (Unavailable, DeadlineExceeded) as error:
            headway = position - begun >= _PROGRESS
            failed = 1 if headway else failed + 1
            if failed >= repository.settings.attempts or (isinstance(error, DeadlineExceeded) and not headway):
                raise
        await asyncio.sleep(pause(repository.settings, failed))


async def _open_blob(repository: Repository, descriptor: Descriptor, offset: int) -> aiohttp.ClientResponse:
    """An answer that begins at ``offset`` or before it: of a server that gives no such range, the whole."""
    answer = await _ask_blob(repository, descriptor, offset)
    if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or _first_byte(answer, offset) > offset:
        answer.close()
        answer = await _ask_blob(repository, descriptor, 0)
    return answer


async def _ask_blob(repository: Repository, descriptor: Descriptor, offset: int) -> aiohttp.ClientResponse:
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    beyond = (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,) if offset else ()
    ok = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, *beyond)
    try:
        return await repository.open(Request("GET", f"blobs/{descriptor.digest}", headers=headers, ok=ok))
    except NotFound:
        elsewhere = _elsewhere(descriptor)
        if elsewhere is None:
            raise
        return await repository.open(Request("GET", url=elsewhere, headers=headers, ok=ok))


def _elsewhere(descriptor: Descriptor) -> URL | None:
    """Where a layer is that its registry need not have (a foreign one)."""
    return next((URL(url) for url in descriptor.urls if url.startswith(("https://", "http://"))), None)


async def _body(repository: Repository, answer: aiohttp.ClientResponse, skip: int) -> AsyncGenerator[bytes, None]:
    """The body without its first ``skip`` bytes, which a server that ignores ranges sends again."""
    try:
        async with answer:
            async for piece in answer.content.iter_any():
                if skip >= len(piece):
                    skip -= len(piece)
                    continue
                yield piece[skip:] if skip else piece
                skip = 0
    except (aiohttp.ClientError, OSError) as error:
        raise repository.transport.failure(answer, error) from error


def _first_byte(answer: aiohttp.ClientResponse, asked: int) -> int:
    """Where the body begins; a part that does not say so is taken for the one that was ``asked`` for."""
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        return 0
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isascii() and first.isdecimal() else asked


async def small_blob(repository: Repository, descriptor: Descriptor, limit: int) -> bytes:
    """A whole blob, checked against its descriptor; DataCorrupted where it is larger than ``limit``."""
    if descriptor.size > limit:
        raise DataCorrupted(f"blob {descriptor.digest} is larger than {limit} bytes")
    data = b"".join([piece async for piece in blob(repository, descriptor)])
    if sha256(data) != descriptor.digest:
        raise DataCorrupted(f"image config verification failed for digest {descriptor.digest}")
    return data


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


async def tags(repository: Repository) -> list[str]:
    """All tags of the repository, in the registry's order."""
    found: list[str] = []
    try:
        async with aclosing(pages(repository, Request("GET", "tags/list"), _TAGS_BODY)) as bodies:
            async for _, data in bodies:
                found += msgspec.json.decode(data, type=_Tags).tags or []
    except (NotFound, Forbidden) as error:
        raise _missing(error, repository.reference) from error
    except msgspec.DecodeError as error:
        raise DataCorrupted(f"the registry's list of tags is invalid: {error}") from error
    return found
