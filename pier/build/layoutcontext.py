"""Images that a client has as an OCI layout: ``--build-context NAME=oci-layout://...``."""

from collections.abc import Sequence
from typing import Any, Final

from pier.build.deps import Build
from pier.build.dockerfile.images import ImageWanted, ResolvedImage
from pier.build.dockerfile.stages import LAYOUT
from pier.build.export.steps import Step, step
from pier.build.remotecache.sources import FolderSource
from pier.build.threads import in_thread
from pier.errors import DataCorrupted, NotFound
from pier.images.choose import acceptable, choose
from pier.images.release import release_layers
from pier.images.unpack import unpack_layers
from pier.oci.digest import Digest
from pier.oci.image import MAX_CONFIG_BYTES, chain_ids, parse_config
from pier.oci.manifest import Index, Manifest, parse_manifest
from pier.oci.platform import Platform

FOLDER: Final = "layout:"
"""Before the rest of the value: the session's name for the folder."""
_MOST_NESTED: Final = 3
_LATEST: Final = "latest"


async def layout_image(build: Build, wanted: ImageWanted) -> ResolvedImage:
    """Its layers are here until ``build.lasting`` is closed. It is no image of the store, and gets no name.

    Raises NotFound (no such manifest, none for the platform), DataCorrupted.
    """
    value = wanted.name.reference
    name = value.removeprefix(LAYOUT)
    with step(build.progress, build.request.id, f"[internal] load metadata for {value}") as shown:
        folder = await build.lasting.enter_async_context(build.session.folder(FOLDER + name, (), ()))
        rest, _, digest = name.partition("@")
        source = FolderSource(folder.path, rest.partition(":")[2], digest)
        platform = None if wanted.name.any_platform else wanted.name.platform
        manifest = await _manifest(source, folder.path, value, acceptable(platform))
        data = await source.read(manifest.config, MAX_CONFIG_BYTES)
        config = await in_thread(parse_config, data)
        await _bring(build, source, manifest, config.rootfs.diff_ids, shown)
    return ResolvedImage(value, manifest.config.digest, config)


async def _manifest(source: FolderSource, folder: Any, value: str, platforms: Sequence[Platform]) -> Manifest:
    """Without a tag and a digest, ``latest`` is meant, or whatever comes first."""
    named = "@" in value or ":" in value.removeprefix(LAYOUT)
    try:
        data, media_type = await (source if named else FolderSource(folder, _LATEST)).root()
    except NotFound as error:
        if named:
            raise NotFound(f"{value}: no such manifest in the layout") from error
        data, media_type = await source.root()
    for _ in range(_MOST_NESTED):
        document = parse_manifest(data, media_type)
        if isinstance(document, Manifest):
            return document
        assert isinstance(document, Index)
        chosen = choose(document, platforms)
        data, media_type = await source.manifest(chosen), chosen.media_type
    raise DataCorrupted(f"{value}: manifest lists are nested too deeply")


async def _bring(
    build: Build, source: FolderSource, manifest: Manifest, diff_ids: Sequence[Digest], shown: Step
) -> None:
    if len(diff_ids) != len(manifest.layers):
        raise DataCorrupted(
            f"layers from manifest don't match image configuration: {len(manifest.layers)}, {len(diff_ids)}"
        )
    images, chain = build.deps.images, chain_ids(diff_ids)
    if chain:
        build.lasting.push_async_callback(release_layers, images, chain[-1])
    build.lasting.enter_context(images.pins.hold([*chain, *(layer.digest for layer in manifest.layers)]))
    await unpack_layers(images, manifest.layers, diff_ids, source.pieces, _ignored, build.deps.registries.downloads)
    shown.note(f"{len(diff_ids)} layers")


def _ignored(message: dict[str, Any]) -> None:
    """It is on a disk: there is little to tell."""
