"""What is demanded of a manifest before anything that it names is fetched: that it is of an image (pure).

Docker demands the same, so that what is pulled here can be pulled there, and in its words.
"""

from typing import Final

import msgspec

from pier.errors import DataCorrupted, Unsupported
from pier.oci import mediatypes
from pier.oci.manifest import Index, Manifest, parse_manifest

_OF_IMAGES: Final = ("application/vnd.oci.image", "application/vnd.docker")
_OF_OLD_IMAGES: Final = ("application/octet-stream", "application/json", "text/html", "")
_DOCKER_CONFIGS: Final = (mediatypes.DOCKER_CONFIG, mediatypes.OCI_CONFIG, *_OF_OLD_IMAGES)
_PLUGIN: Final = "application/vnd.docker.plugin.v1+json"
_FIELD: Final = {
    mediatypes.DOCKER_MANIFEST: "mediaType in manifest",
    mediatypes.DOCKER_INDEX: "mediaType in manifest list",
    mediatypes.OCI_MANIFEST: "if present, mediaType in manifest",
    mediatypes.OCI_INDEX: "if present, mediaType in index",
}


class _Claim(msgspec.Struct, rename="camel"):
    media_type: str | None = None


def read_manifest(data: bytes, content_type: str) -> Manifest | Index:
    """The document that a registry sent as ``content_type``, which has to be of that kind: two who took it for
    different ones would run different things by one digest.

    Raises DataCorrupted, and Unsupported for what is of no image.
    """
    if not content_type:
        raise DataCorrupted("missing or empty Content-Type header")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (*mediatypes.MANIFEST_TYPES, *mediatypes.DOCKER_SCHEMA1):
        raise Unsupported(f"unsupported manifest media type and no default available: {content_type[:200]}")
    document = parse_manifest(data, kind)
    claimed = msgspec.json.decode(data, type=_Claim).media_type or ""
    if claimed != kind and (claimed or kind in (mediatypes.DOCKER_MANIFEST, mediatypes.DOCKER_INDEX)):
        raise DataCorrupted(f"{_FIELD[kind]} should be '{kind}' not '{claimed[:200]}'")
    if isinstance(document, Manifest) and kind == mediatypes.DOCKER_MANIFEST:
        _check_docker(document.config.media_type)
    return document


def _check_docker(config: str) -> None:
    if config not in _DOCKER_CONFIGS:
        what = "plugin" if config == _PLUGIN else "unknown"
        raise Unsupported(f'Encountered remote "{config[:200]}"({what}) when fetching')


def check_types(manifest: Manifest) -> None:
    """Charts, signatures and other artifacts are no images. Raises Unsupported."""
    for media_type in _types(manifest):
        if not _is_of_images(media_type):
            raise Unsupported(f"unsupported media type {media_type[:200]}")


def is_image(manifest: Manifest) -> bool:
    """What :func:`check_types` demands."""
    return all(map(_is_of_images, _types(manifest)))


def _types(manifest: Manifest) -> list[str]:
    return [manifest.config.media_type, *(layer.media_type for layer in manifest.layers)]


def _is_of_images(media_type: str) -> bool:
    media_type = media_type.lower()
    return media_type in _OF_OLD_IMAGES or any(
        media_type == family or media_type.startswith(family + ".") for family in _OF_IMAGES
    )
