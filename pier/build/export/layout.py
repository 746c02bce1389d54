"""Archives: OCI's image layout, which is Docker's format too where that is asked for.

An archive is the same bytes whenever it is made: no times, a fixed order.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

import msgspec

from pier.build.deps import Deps
from pier.build.export.forms import Compression, form, pieces
from pier.build.export.layers import layers_of
from pier.build.export.made import Made
from pier.build.export.outputs import Wanted
from pier.errors import DataCorrupted
from pier.linux.helper_pack import encode
from pier.linux.helper_tarheader import BLOCK, FOLDER, REGULAR, Header
from pier.oci import mediatypes
from pier.oci.digest import Digest, hex_of, sha256
from pier.oci.manifest import Descriptor, Index, Manifest
from pier.oci.manifest import encode as encode_manifest
from pier.oci.reference import Reference
from pier.snapshots.snapshotter import Layer

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'


class Blob(msgspec.Struct, frozen=True):
    """A blob that is made while it is read: each call of ``pieces`` begins again."""

    descriptor: Descriptor
    pieces: Callable[[], AsyncIterator[bytes]]


class Plan(msgspec.Struct, frozen=True):
    """What an archive holds. ``layers``: each once. ``small``: configs, manifests, an index.

    ``root``: what a reader begins with, the manifest or the index of several; ``docker``: ``manifest.json``.
    """

    layers: list[Blob]
    small: dict[Digest, bytes]
    root: Descriptor
    docker: list[dict[str, Any]]


async def plan(deps: Deps, made: Sequence[Made], output: Wanted, stack: AsyncExitStack) -> Plan:
    """Bring the layers into the forms that the archive is to have, until ``stack`` is closed, and describe it."""
    wanted = compression_of(output)
    layers: dict[Digest, Blob] = {}
    small: dict[Digest, bytes] = {}
    entries: list[Descriptor] = []
    docker: list[dict[str, Any]] = []
    for each in made:
        forms = [(layer, await form(deps.images, layer, wanted, stack)) for layer in layers_of(deps, each.diff_ids)]
        for layer, described in forms:
            layers[described.digest] = Blob(described, partial(pieces, deps.images, layer, described))
        data = encode_manifest(manifest(each, [described for _, described in forms], output))
        small.update({each.id: each.config, sha256(data): data})
        entries.append(entry_of(each, mediatypes.OCI_MANIFEST, data, output))
        docker.append(_item(each, forms, output.names))
    root = entries[0]
    if len(made) > 1:
        data = encode_manifest(index_of(entries, mediatypes.OCI_INDEX, output))
        small[sha256(data)] = data
        root = Descriptor(
            mediatypes.OCI_INDEX, sha256(data), len(data), annotations=output.annotated("index-descriptor")
        )
    return Plan(list(layers.values()), small, root, docker if output.type == "docker" else [])


def entry_of(made: Made, media_type: str, manifest: bytes, output: Wanted) -> Descriptor:
    """The image's entry in an index."""
    annotations = output.annotated("manifest-descriptor", made.platform)
    return Descriptor(media_type, sha256(manifest), len(manifest), annotations=annotations, platform=made.platform)


def index_of(entries: Sequence[Descriptor], media_type: str, output: Wanted) -> Index:
    return Index(
        schema_version=2, media_type=media_type, manifests=list(entries), annotations=output.annotated("index")
    )


def compression_of(output: Wanted) -> Compression:
    """Layers are plain in Docker's archives, which are for this machine or the next, and gzip elsewhere."""
    default = "uncompressed" if output.type == "docker" else "gzip"
    return Compression(output.compression or default, output.level, output.force)


def manifest(made: Made, forms: Sequence[Descriptor], output: Wanted) -> Manifest:
    """The OCI manifest of one image."""
    return Manifest(
        schema_version=2,
        media_type=mediatypes.OCI_MANIFEST,
        config=Descriptor(mediatypes.OCI_CONFIG, made.id, len(made.config)),
        layers=list(forms),
        annotations=output.annotated("manifest", made.platform),
    )


async def archive(plan: Plan, names: Sequence[Reference]) -> AsyncGenerator[bytes, None]:
    """The archive, in pieces. Raises DataCorrupted where a blob is not what it was."""
    yield _header("blobs/", 0, folder=True) + _header("blobs/sha256/", 0, folder=True)
    for blob in plan.layers:
        yield _header(_blob(blob.descriptor.digest), blob.descriptor.size)
        written = 0
        async for data in blob.pieces():
            written += len(data)
            yield data
        if written != blob.descriptor.size:
            raise DataCorrupted(f"blob {blob.descriptor.digest} has changed while it was read")
        yield bytes(-written % BLOCK)
    for digest, data in plan.small.items():
        yield _file(_blob(digest), data)
    yield _file("index.json", msgspec.json.encode(_index(plan.root, names)))
    if plan.docker:
        yield _file("manifest.json", msgspec.json.encode(plan.docker))
    yield _file("oci-layout", _LAYOUT) + bytes(2 * BLOCK)


def _index(root: Descriptor, names: Sequence[Reference]) -> Index:
    entries = [_named(root, name.with_default_tag()) for name in names] or [root]
    return Index(schema_version=2, media_type=mediatypes.OCI_INDEX, manifests=entries)


def _named(root: Descriptor, name: Reference) -> Descriptor:
    annotations = {
        "io.containerd.image.name": name.canonical,
        "org.opencontainers.image.ref.name": name.tag or "",
    }
    return msgspec.structs.replace(root, annotations={**root.annotations, **annotations})


def _item(made: Made, forms: Sequence[tuple[Layer, Descriptor]], names: Sequence[Reference]) -> dict[str, Any]:
    """One image of ``manifest.json``, in Docker's words."""
    return {
        "Config": _blob(made.id),
        "RepoTags": [name.with_default_tag().familiar for name in names] or None,
        "Layers": [_blob(described.digest) for _, described in forms],
    }


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def _header(name: str, size: int, *, folder: bool = False) -> bytes:
    kind, mode = (FOLDER, 0o755) if folder else (REGULAR, 0o644)
    return encode(Header(name.encode(), kind, mode, 0, 0, size, 0, b""))


def _file(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % BLOCK)
