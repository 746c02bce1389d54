"""What the attributes of an output mean (pure)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from pier.build.request import BuildRequest, Output
from pier.errors import InvalidArgument
from pier.oci.platform import Platform, parse_platform
from pier.oci.reference import Reference, parse_reference

TYPES: Final = ("image", "docker", "oci", "tar", "local")
COMPRESSIONS: Final = ("uncompressed", "gzip", "zstd")
_ANNOTATION: Final = re.compile(
    r"annotation(?:-(?P<place>manifest|index|manifest-descriptor|index-descriptor))?"
    r"(?:\[(?P<platform>[^\]]+)\])?\.(?P<key>.+)",
    re.DOTALL,
)
_TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
_FALSE: Final = ("0", "f", "F", "false", "FALSE", "False")


class Annotation(msgspec.Struct, frozen=True):
    """``place``: manifest, index, manifest-descriptor, index-descriptor. ``platform``: None for all."""

    place: str
    platform: Platform | None
    key: str
    value: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One output, understood. ``index``: its place in the request. ``archive``: a tar goes to the client.

    ``compression``: of layers that are written or pushed; ``force``: also of those that come from elsewhere.
    """

    index: int
    type: str
    names: tuple[Reference, ...] = ()
    push: bool = False
    by_digest: bool = False
    store: bool = True
    archive: bool = False
    compression: str = ""
    level: int | None = None
    force: bool = False
    oci: bool | None = None
    split: bool | None = None
    annotations: tuple["Annotation", ...] = ()

    @property
    def nowhere(self) -> bool:
        """The result is to stay in the cache alone."""
        return not (self.archive or self.store or self.push)

    def annotated(self, place: str, platform: Platform | None = None) -> dict[str, str]:
        """What is to be said of ``place``, a manifest, an index, or a descriptor of either."""
        return {
            each.key: each.value
            for each in self.annotations
            if each.place == place and (each.platform is None or (platform and each.platform.matches(platform)))
        }


def wanted(request: BuildRequest) -> list[Wanted]:
    """The outputs of ``request``; without any, the image goes into the store. Raises InvalidArgument."""
    outputs = request.outputs or (Output("image"),)
    return [_read(index, output, request) for index, output in enumerate(outputs)]


def _read(index: int, output: Output, request: BuildRequest) -> Wanted:
    attributes = output.attributes
    kind = {"registry": "image", "moby": "image"}.get(output.type, output.type)
    if kind not in TYPES:
        raise InvalidArgument(f'exporter "{output.type}" could not be found')
    names = attributes.get("name")
    given = tuple(part for part in names.split(",") if part) if names is not None else request.tags
    return Wanted(
        index=index,
        type=kind,
        names=tuple(dict.fromkeys(_name(name) for name in given)),
        push=flag(attributes, "push", output.type == "registry"),
        by_digest=flag(attributes, "push-by-digest", False),
        store=flag(attributes, "store", True),
        archive=kind not in ("image", "docker") or (kind == "docker" and "dest" in attributes),
        compression=_compression(attributes),
        level=_level(attributes),
        force=flag(attributes, "force-compression", False),
        oci=flag(attributes, "oci-mediatypes", True) if "oci-mediatypes" in attributes else None,
        split=flag(attributes, "platform-split", True) if "platform-split" in attributes else None,
        annotations=tuple(_annotations(attributes)),
    )


def flag(attributes: Mapping[str, str], name: str, default: bool) -> bool:
    """A truth value as Go reads it; a name without a value is true."""
    text = attributes.get(name)
    if text is None:
        return default
    if text in _TRUE or not text:
        return True
    if text in _FALSE:
        return False
    raise InvalidArgument(f'non-bool value "{text}" specified for {name}')


def _name(text: str) -> Reference:
    reference = parse_reference(text)
    if reference.digest is not None:
        raise InvalidArgument(f'invalid tag "{text}": a name with a digest cannot be given to an image')
    return reference


def _compression(attributes: Mapping[str, str]) -> str:
    text = attributes.get("compression", "")
    if text and text not in COMPRESSIONS:
        raise InvalidArgument(f"unsupported compression type {text}: one of {', '.join(COMPRESSIONS)} is needed")
    return text


def _level(attributes: Mapping[str, str]) -> int | None:
    text = attributes.get("compression-level")
    if text is None:
        return None
    if not text.isdecimal() or int(text) > 22:
        raise InvalidArgument(f'non-integer value "{text}" specified for compression-level')
    return int(text)


def _annotations(attributes: Mapping[str, str]) -> Iterator[Annotation]:
    """``annotation[-PLACE][[PLATFORM]].KEY``; without a place it is the image's manifest."""
    for name, value in attributes.items():
        match = _ANNOTATION.fullmatch(name)
        if match is not None:
            platform = parse_platform(match["platform"]) if match["platform"] else None
            yield Annotation(match["place"] or "manifest", platform, match["key"], value)
        elif name.startswith("annotation"):
            raise InvalidArgument(f"invalid annotation {name}: annotation[-TYPE][[PLATFORM]].KEY is needed")
