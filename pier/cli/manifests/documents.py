"""Manifests and lists of them as Docker's client writes them, byte by byte: a list's digest depends on it (pure)."""

from __future__ import annotations

import json
from base64 import b64decode

from pier.cli.command import Failure
from pier.cli.render import escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")


def record(reference: str, found: Json) -> Json:
    """How the store keeps a manifest: ``found`` is what the daemon says, ``{"Descriptor", "Raw"}``."""
    descriptor, raw = found["Descriptor"], found["Raw"]
    kind = "OCIManifest" if descriptor["mediaType"] == OCI_MANIFEST else "SchemaV2Manifest"
    ordered = {name: descriptor[name] for name in ("mediaType", "digest", "size", "platform") if name in descriptor}
    return {"Ref": reference, "Descriptor": ordered, "Raw": raw, kind: json.loads(b64decode(raw))}


def plain(entry: Json) -> str:
    """The manifest itself, in its own order."""
    return indented(json.loads(b64decode(entry["Raw"])))


def verbose(entries: Json | list[Json]) -> str:
    """One record, or several."""
    return escaped(indented(entries))


def platform_of(entry: Json) -> Json:
    """A record's platform in the order in which it is written, without what is empty."""
    platform = entry["Descriptor"].get("platform") or {}
    known = {name: platform[name] for name in PLATFORM if platform.get(name)}
    return {"architecture": "", "os": "", **known}


def list_of(entries: list[Json]) -> tuple[str, str]:
    """The list of ``entries`` and its media type: the OCI's where the first manifest is of that kind."""
    descriptors = []
    for entry in entries:
        descriptor = entry["Descriptor"]
        about = {name: descriptor[name] for name in ("mediaType", "size", "digest")}
        descriptors.append({**about, "platform": platform_of(entry)})
    kind = OCI_INDEX if descriptors[0]["mediaType"] == OCI_MANIFEST else DOCKER_LIST
    return escaped(indented({"schemaVersion": 2, "mediaType": kind, "manifests": descriptors}, 3)), kind


def require_platforms(entries: list[Json]) -> None:
    """Raises Failure for a manifest of which nobody said what it runs on."""
    for entry in entries:
        platform = platform_of(entry)
        if not platform["architecture"] or not platform["os"]:
            raise Failure(f"manifest {entry['Ref']} must have an OS and Architecture to be pushed to a registry")


def indented(value: Any, indent: int | str = "\t") -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)
