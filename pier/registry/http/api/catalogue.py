"""What the repositories hold, over the JSON API: tags, sizes, layers, history; and search."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from pier.errors import InvalidArgument, NotFound
from pier.oci import mediatypes
from pier.oci.digest import Digest
from pier.registry.blobs.read import read
from pier.registry.deps import Registry
from pier.registry.http.api.asking import Ask
from pier.registry.http.pages import page_of
from pier.registry.http.replies import document
from pier.registry.manifests.catalogue import catalogue
from pier.registry.manifests.get import get
from pier.registry.model import Manifest, Tag
from pier.registry.principal import Action
from pier.registry.refusals import Refusal

_PAGE: Final = 100
_LARGEST_CONFIG: Final = 4 << 20
_PODMAN: Final = "github.com/containers/image"
_DESCRIPTION: Final = "org.opencontainers.image.description"
Json = dict[str, Any]


async def repositories(ask: Ask) -> web.StreamResponse:
    """``?q=`` is a part of the name; ``n`` and ``last`` page as in the specification's lists."""
    page = page_of(ask.request.query, _PAGE)
    names = (
        [] if page.nothing else await catalogue(ask.registry, ask.asker, page.after, page.limit, word=ask.query("q"))
    )
    shown = [await _summary(ask.registry, name) for name in page.cut(names)]
    return document(shown, page.link("/api/v1/repositories", names))


async def _summary(registry: Registry, name: str) -> Json:
    try:
        tags = await registry.records.tags(name)
    except Refusal:  # deleted meanwhile
        tags = []
    return {
        "name": name,
        "tags": len(tags),
        "updated": max((tag.updated for tag in tags), default=0),
        "pulled": max((tag.pulled for tag in tags), default=0),
    }


async def repository(ask: Ask) -> web.StreamResponse:
    """Its manifests without their content. Sizes are of all that a manifest refers to, each by itself."""
    (name,) = ask.words
    await ask.readable(name)
    tags = await ask.registry.records.tags(name)
    manifests = await ask.registry.records.manifests(name)
    named: dict[Digest, list[str]] = {}
    for tag in tags:
        named.setdefault(tag.digest, []).append(tag.name)
    shown = [{**_facts(each), "tags": named.get(each.digest, [])} for each in manifests]
    return document({**await _summary(ask.registry, name), "manifests": shown})


async def tags(ask: Ask) -> web.StreamResponse:
    (name,) = ask.words
    await ask.readable(name)
    page = page_of(ask.request.query, _PAGE)
    listed = [] if page.nothing else await ask.registry.records.tags(name, page.after, page.limit)
    sizes = {each.digest: each for each in await ask.registry.records.manifests(name)}
    links = page.link(f"/api/v1/repositories/{name}/tags", [tag.name for tag in listed])
    return document([_tag(tag, sizes.get(tag.digest)) for tag in listed[: page.size]], links)


def _tag(tag: Tag, manifest: Manifest | None) -> Json:
    return {
        "name": tag.name,
        "digest": tag.digest,
        "media_type": manifest.media_type if manifest else "",
        "size": manifest.size if manifest else 0,
        "created": tag.created,
        "updated": tag.updated,
        "pulled": tag.pulled,
    }


def _facts(manifest: Manifest) -> Json:
    return {
        "digest": manifest.digest,
        "media_type": manifest.media_type,
        "artifact_type": manifest.artifact_type,
        "annotations": manifest.annotations,
        "subject": manifest.subject,
        "size": manifest.size,
        "pushed": manifest.pushed,
        "pulled": manifest.pulled,
    }


async def manifest(ask: Ask) -> web.StreamResponse:
    """By tag or digest: layers, and of an image its platform, its history and what it runs; of an index its parts."""
    name, reference = ask.words
    await ask.readable(name)
    known = await get(ask.registry, name, reference, pull=False)
    content: Json = msgspec.json.decode(known.data)
    shown = {**_facts(known), "layers": _descriptors(content.get("layers") or content.get("blobs"))}
    if mediatypes.is_index(known.media_type):
        shown["manifests"] = _descriptors(content.get("manifests"))
    elif known.config:
        shown["config"] = {"digest": known.config, **await _config(ask.registry, name, known.config)}
    return document(shown)


def _descriptors(listed: Any) -> list[Json]:
    kept = ("digest", "size", "mediaType", "platform", "annotations", "urls")
    return [{key: each[key] for key in kept if key in each} for each in listed or ()]


async def _config(registry: Registry, repository: str, digest: Digest) -> Json:
    """What an image's config says; nothing of what is none, or is too large for one."""
    blob = await registry.records.blob(repository, digest)
    if blob is None or blob.size > _LARGEST_CONFIG:
        return {}
    data = b"".join([piece async for piece in read(registry, blob)])
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(content, Mapping):
        return {}
    kept = ("architecture", "variant", "os", "os.version", "created", "author", "config", "history", "rootfs")
    return {key: content[key] for key in kept if key in content}


async def search(ask: Ask) -> web.StreamResponse:
    """Docker's ``/v1/search?q=``, with ``n`` results a ``page``: of what they may read, or anybody may.

    podman never says here who asks. Where there is nothing it reads the specification's catalogue, and says it there.
    """
    word, size, number = ask.query("q").strip().lower(), _number(ask, "n", 25), _number(ask, "page", 1)
    names = await catalogue(ask.registry, _Reader(ask), word=word)
    if not names and not ask.asker.name and _PODMAN in ask.request.headers.get("User-Agent", ""):
        raise NotFound(f"nothing that anybody may read is called {word[:64]}")
    shown = names[size * (number - 1) : size * number]
    results = [await _result(ask.registry, name) for name in shown]
    pages = -(-len(names) // size)
    counts = {"num_pages": pages, "num_results": len(names), "page_size": size, "page": number}
    return document({**counts, "query": word, "results": results})


class _Reader:
    """Implements Principal. Clients search with whatever token they have: it says who they are, and that is enough."""

    def __init__(self, ask: Ask) -> None:
        self._asker = ask.asker
        self.name = ask.asker.name

    async def may(self, action: Action, repository: str) -> bool:
        return await self._asker.could(action, repository)


async def _result(registry: Registry, name: str) -> Json:
    latest = await registry.records.manifest(name, "latest")
    return {
        "name": name,
        "description": (latest.annotations.get(_DESCRIPTION, "") if latest else "")[:500],
        "star_count": 0,
        "is_official": False,
        "is_automated": False,
        "is_trusted": False,
    }


def _number(ask: Ask, name: str, default: int) -> int:
    text = ask.query(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000_000):
        raise InvalidArgument(f"invalid {name}: {text[:20]}")
    return min(int(text), 100) if name == "n" else int(text)
