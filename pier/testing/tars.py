"""For tests: tars and image archives, well-formed and otherwise, as bytes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pier.linux.helper_pack import encode
from pier.linux.helper_tarheader import BLOCK, CHAR, FOLDER, LINK, REGULAR, SYMLINK, Header

END = bytes(2 * BLOCK)


def entry(name: str | bytes, data: bytes = b"", kind: bytes = REGULAR, **fields: Any) -> bytes:
    """One entry with its content; ``fields`` are those of Header (mode, uid, mtime in ns, link, xattrs...)."""
    raw = name.encode() if isinstance(name, str) else name
    header = Header(raw, kind, 0o755 if kind == FOLDER else 0o644, 0, 0, len(data), 0, b"")
    for key, value in fields.items():
        setattr(header, key, value)
    return encode(header) + data + bytes(-len(data) % BLOCK)


def folder(name: str, **fields: Any) -> bytes:
    return entry(name, kind=FOLDER, **fields)


def symlink(name: str, target: str, **fields: Any) -> bytes:
    return entry(name, kind=SYMLINK, link=target.encode(), **fields)


def hard_link(name: str, target: str, **fields: Any) -> bytes:
    return entry(name, kind=LINK, link=target.encode(), **fields)


def device(name: str, major: int, minor: int, kind: bytes = CHAR) -> bytes:
    return entry(name, kind=kind, major=major, minor=minor)


def tar(*entries: bytes) -> bytes:
    return b"".join(entries) + END


def patched(block: bytes, offset: int, field_bytes: bytes) -> bytes:
    """A header block with some bytes replaced and the checksum mended."""
    changed = bytearray(block)
    changed[offset : offset + len(field_bytes)] = field_bytes
    changed[148:156] = b"        "
    changed[148:156] = b"%06o\0 " % sum(changed[:BLOCK])
    return bytes(changed)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Saved:
    """The parts of one image's archive; ``layers`` are plain tars, ``stored`` what is put in their place."""

    layers: Sequence[bytes]
    tags: Sequence[str] = ("x:1",)
    stored: Sequence[bytes] = ()
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def config_bytes(self) -> bytes:
        diff_ids = [digest(layer) for layer in self.layers]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, **self.config}).encode()

    @property
    def image_id(self) -> str:
        return digest(self.config_bytes)

    @property
    def blobs(self) -> Sequence[bytes]:
        return self.stored or self.layers

    def legacy_entries(self) -> list[bytes]:
        """The entries of the format of Docker 1.10 to 24: layers, config, manifest.json."""
        names = [f"{hashlib.sha256(blob + bytes([i])).hexdigest()}/layer.tar" for i, blob in enumerate(self.blobs)]
        config_name = f"{self.image_id[7:]}.json"
        listing = [{"Config": config_name, "RepoTags": list(self.tags) or None, "Layers": names}]
        return [
            *(entry(name, blob) for name, blob in zip(names, self.blobs, strict=True)),
            entry(config_name, self.config_bytes),
            entry("manifest.json", json.dumps(listing).encode()),
        ]

    def legacy(self) -> bytes:
        return tar(*self.legacy_entries())

    def oci(self, media_type: str = "application/vnd.oci.image.layer.v1.tar", names: Sequence[str] = ()) -> bytes:
        """An OCI layout without Docker's files; ``names``: annotations of the index's entries."""
        layers = [{"mediaType": media_type, "digest": digest(blob), "size": len(blob)} for blob in self.blobs]
        config = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": self.image_id,
            "size": len(self.config_bytes),
        }
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}).encode()
        described: dict[str, Any] = {"mediaType": kind, "digest": digest(manifest), "size": len(manifest)}
        annotated = [{**described, "annotations": {"io.containerd.image.name": name}} for name in names]
        index = json.dumps({"schemaVersion": 2, "manifests": annotated or [described]}).encode()
        return tar(
            entry("index.json", index),
            entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
            *(entry(blob_name(blob), blob) for blob in (manifest, self.config_bytes, *self.blobs)),
        )


def blob_name(data: bytes) -> str:
    return "blobs/sha256/" + digest(data)[7:]
