"""Images in the API's shapes (pure): the summary of a list, and everything about one."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from pier.errors import InvalidArgument
from pier.images.image import Image
from pier.oci.digest import Digest
from pier.oci.reference import parse_reference


def familiar(canonical: Iterable[str]) -> list[str]:
    """References as a user writes them."""
    return [parse_reference(text).familiar for text in canonical]


def created_seconds(image: Image) -> int:
    """When the image was made, in seconds since the epoch; 0 where it does not say, or not legibly."""
    try:
        return int(datetime.fromisoformat(image.created).timestamp()) if image.created else 0
    except (ValueError, OverflowError):
        return 0


def summary(image: Image, *, containers: int = -1, shared: int = -1) -> dict[str, Any]:
    """One element of ``GET /images/json``; -1 is "not counted"."""
    return {
        "Containers": containers,
        "Created": created_seconds(image),
        "Id": image.id,
        "Labels": image.config.config.labels,
        "ParentId": image.parent or "",
        "RepoDigests": familiar(image.repo_digests),
        "RepoTags": familiar(image.repo_tags),
        "SharedSize": shared,
        "Size": image.size,
    }


def full(image: Image, graph: Mapping[str, str], last_tagged: str) -> dict[str, Any]:
    """The body of ``GET /images/{name}/json``."""
    config = image.config
    body = {
        "Id": image.id,
        "RepoTags": familiar(image.repo_tags),
        "RepoDigests": familiar(image.repo_digests),
        "Parent": image.parent or "",
        "Comment": config.comment or (config.history[-1].comment if config.history else ""),
        "Created": image.created or "0001-01-01T00:00:00Z",
        "DockerVersion": config.docker_version,
        "Author": config.author,
        "Config": _sorted_maps(msgspec.to_builtins(config.config)),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": image.size,
        "GraphDriver": {"Data": dict(graph) or None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)} if image.diff_ids else {"Type": "layers"},
        "Metadata": {"LastTagTime": last_tagged},
    }
    if config.variant:
        body["Variant"] = config.variant
    if config.os_version:
        body["OsVersion"] = config.os_version
    if image.manifest is not None:
        body["Descriptor"] = {
            "mediaType": image.manifest.media_type,
            "digest": image.manifest.digest,
            "size": image.manifest.size,
        }
    return body


def _sorted_maps(config: dict[str, Any]) -> dict[str, Any]:
    """Docker's maps come sorted; whoever compares what ``inspect`` prints relies on it."""
    maps = {name: config[name] for name in ("ExposedPorts", "Volumes", "Labels") if config.get(name)}
    return config | {name: dict(sorted(each.items())) for name, each in maps.items()}


def shared_sizes(images: Iterable[Image], layer_sizes: Mapping[Digest, int]) -> dict[Digest, int]:
    """For each image the bytes of those of its layers that another image has too."""
    every = list(images)
    users = Counter(chain for image in every for chain in image.chain_ids)
    return {
        image.id: sum(layer_sizes.get(chain, 0) for chain in image.chain_ids if users[chain] > 1) for image in every
    }


def known_as(image: Image, patterns: Collection[str]) -> Image:
    """``image`` by those of its names that fit a shell pattern: ``busybox``, ``*/app:1.*``, ``docker.io/library/*``."""

    def fitting(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if any(_fits(name, pattern) for pattern in patterns))

    tags, digests = fitting(image.repo_tags), fitting(image.repo_digests)
    return msgspec.structs.replace(image, repo_tags=tags, repo_digests=digests)


def _fits(canonical: str, pattern: str) -> bool:
    reference = parse_reference(canonical)
    names = (reference.familiar, reference.familiar_name, reference.canonical, reference.name)
    return any(_glob(name, pattern) for name in names)


def _glob(name: str, pattern: str) -> bool:
    """Go's ``path.Match``: ``*`` and ``?`` do not cross a slash."""
    text = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]").replace(r"\[", "[").replace(r"\]", "]")
    try:
        return re.fullmatch(text, name) is not None
    except re.error as error:
        raise InvalidArgument(f"syntax error in pattern: {pattern}") from error
