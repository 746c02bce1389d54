"""Pushing what was built, with the credentials that the client gives."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any

from pier.build.deps import Build
from pier.build.export.concurrently import concurrently
from pier.build.export.forms import Compression, as_docker, as_oci, form, pieces
from pier.build.export.layers import layers_of
from pier.build.export.layout import entry_of, index_of
from pier.build.export.made import Made
from pier.build.export.outputs import Wanted
from pier.build.export.steps import Part, Step
from pier.images.image import Image
from pier.images.notify import publish
from pier.images.pushlayer import LayerPusher
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.image import parse_config
from pier.oci.manifest import Descriptor, Index, Manifest, encode
from pier.oci.reference import Reference
from pier.remote import push as remote
from pier.remote.repository import Repository
from pier.snapshots.snapshotter import Layer


async def push(build: Build, made: Sequence[Made], output: Wanted, name: Reference, shown: Step) -> Descriptor:
    """Push the images under ``name``: one as a manifest, several with an index; what the name means there now.

    Raises what the registry refuses.
    """
    credentials = await build.session.credentials(name.domain)
    name = name.with_default_tag()
    repository = await build.deps.registries.repository(name, credentials, push=True)
    entries: list[Descriptor] = []
    documents: list[tuple[bytes, str]] = []
    with shown.part("pushing layers"):
        for each in made:
            manifest = await _contents(build, repository, each, output, shown)
            documents.append((encode(manifest), manifest.media_type))
    for (data, media_type), each in zip(documents, made, strict=True):
        entries.append(entry_of(each, media_type, data, output))
    if len(made) > 1:
        index = _index(entries, output)
        documents.append((encode(index), index.media_type))
    data, media_type = documents.pop()
    root = Descriptor(media_type, sha256(data), len(data))
    for inner, inner_type in documents:
        await remote.put_manifest(repository, sha256(inner), inner, inner_type)
    target = root.digest if output.by_digest else name.tag or root.digest
    with shown.part(f"pushing manifest for {name.canonical}@{root.digest}"):
        await remote.put_manifest(repository, target, data, media_type)
    return root


def record_push(build: Build, image: Image, pushed: Descriptor, name: Reference) -> None:
    """Remember what the image is called there, and tell."""
    build.deps.images.store.tag(name.with_digest(pushed.digest), image.id)
    publish(build.deps.images, "push", image.id, name.with_default_tag())


def _index(entries: list[Descriptor], output: Wanted) -> Index:
    docker = all(entry.media_type == mediatypes.DOCKER_MANIFEST for entry in entries)
    return index_of(entries, mediatypes.DOCKER_INDEX if docker else mediatypes.OCI_INDEX, output)


async def _contents(build: Build, repository: Repository, made: Made, output: Wanted, shown: Step) -> Manifest:
    """Bring the layers and the config there; the manifest that names them."""
    forms = await _layers(build, repository, made, output, shown)
    zstd = any(mediatypes.compression_of(each.media_type) == "zstd" for each in forms)
    oci = (zstd or bool(output.annotations)) if output.oci is None else output.oci
    config = Descriptor(mediatypes.OCI_CONFIG if oci else mediatypes.DOCKER_CONFIG, made.id, len(made.config))
    if not await remote.exists(repository, made.id):
        await remote.upload(repository, lambda: _bytes(made.config), config)
    return Manifest(
        schema_version=2,
        media_type=mediatypes.OCI_MANIFEST if oci else mediatypes.DOCKER_MANIFEST,
        config=config,
        layers=[as_oci(each) if oci else as_docker(each) for each in forms],
        annotations=output.annotated("manifest", made.platform),
    )


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _layers(build: Build, repository: Repository, made: Made, output: Wanted, shown: Step) -> list[Descriptor]:
    """Bring all layers there, a few at a time; the form of each."""
    parts: dict[str, Part] = {}
    layers = layers_of(build.deps, made.diff_ids)
    once = {layer.diff_id: layer for layer in layers}
    pusher = LayerPusher(
        build.deps.images, repository, _image(made), build.deps.registries.uploads, partial(_tell, shown, parts)
    )
    forms = await concurrently(
        _form(build, repository, layer, output) if output.compression else pusher.push(layer.chain_id, diff_id, None)
        for diff_id, layer in once.items()
    )
    by_diff = dict(zip(once, forms, strict=True))
    return [by_diff[layer.diff_id] for layer in layers]


def _image(made: Made) -> Image:
    return Image(made.id, parse_config(made.config), tuple(made.chain), 0)


async def _form(build: Build, repository: Repository, layer: Layer, output: Wanted) -> Descriptor:
    """The layer in the form that the output asks for."""
    images = build.deps.images
    there = partial(remote.exists, repository)
    async with build.deps.registries.uploads, AsyncExitStack() as stack:
        wanted = await form(images, layer, Compression(output.compression, output.level, output.force), stack, there)
        if not await there(wanted.digest):
            await remote.upload(repository, partial(_pieces, build, layer, wanted), wanted)
    return wanted


async def _pieces(build: Build, layer: Layer, wanted: Descriptor) -> AsyncIterator[bytes]:
    async with aclosing(pieces(build.deps.images, layer, wanted)) as made:
        async for data in made:
            yield data


def _tell(shown: Step, parts: dict[str, Part], message: dict[str, Any]) -> None:
    """A message of Docker's progress about one layer, as a part of the step."""
    key, text = message.get("id", ""), message["status"]
    part = parts.get(key) or parts.setdefault(key, shown.begin(f"pushing layer {key}"))
    detail = message.get("progressDetail") or {}
    part.current, part.total = detail.get("current", part.current), detail.get("total", part.total)
    if text in ("Waiting", "Preparing", "Pushing"):
        part.show()
    else:
        part.done()
