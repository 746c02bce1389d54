"""Images for tests, made byte by byte: docker archives and OCI layouts, sound ones and broken ones."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

from tests.compat.rootfs import busybox_rootfs, entry, pack


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def file_layer(files: dict[str, bytes]) -> bytes:
    """A layer of plain files; a name that ends in ``/`` is a folder."""
    return pack(
        [
            (entry(name.rstrip("/"), tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE, 0o755), data)
            for name, data in files.items()
        ]
    )


@dataclass
class ImageParts:
    """Layers (uncompressed tars) and the execution part of the config."""

    layers: list[bytes] = field(default_factory=lambda: [busybox_rootfs()])
    config: dict[str, Any] = field(default_factory=lambda: {"Cmd": ["sh"], "Env": ["PATH=/bin"]})

    def image_config(self) -> bytes:
        return json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2024-01-02T03:04:05.678Z",
                "config": self.config,
                "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
                "history": [
                    {"created": "2024-01-02T03:04:05.678Z", "created_by": f"layer {number}"}
                    for number in range(len(self.layers))
                ],
            }
        ).encode()

    @property
    def id(self) -> str:
        return digest(self.image_config())


def docker_archive(parts: ImageParts, *tags: str) -> bytes:
    """What ``docker save`` wrote before OCI layouts: ``manifest.json``, a config, a tar for each layer."""
    config = parts.image_config()
    config_name = digest(config).removeprefix("sha256:") + ".json"
    layer_names = [f"{number}/layer.tar" for number in range(len(parts.layers))]
    manifest = json.dumps([{"Config": config_name, "RepoTags": list(tags), "Layers": layer_names}]).encode()
    files = {config_name: config, **dict(zip(layer_names, parts.layers, strict=True)), "manifest.json": manifest}
    return pack([(entry(name, tarfile.REGTYPE, 0o644), data) for name, data in files.items()])


def oci_archive(parts: ImageParts, name: str, *, compressed: bool = True) -> bytes:
    """An OCI image layout in a tar, its layers gzipped unless told otherwise."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes, media_type: str) -> dict[str, Any]:
        blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    kind = "application/vnd.oci.image."
    layers = [
        put(gzip.compress(layer, mtime=0), kind + "layer.v1.tar+gzip")
        if compressed
        else put(layer, kind + "layer.v1.tar")
        for layer in parts.layers
    ]
    config = put(parts.image_config(), kind + "config.v1+json")
    body = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": config, "layers": layers}
    manifest = put(json.dumps(body).encode(), kind + "manifest.v1+json")
    manifest["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.partition(":")[2],
    }
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(),
        **{"blobs/" + key.replace(":", "/"): data for key, data in blobs.items()},
    }
    return pack([(entry(path, tarfile.REGTYPE, 0o644), data) for path, data in files.items()])


def members(archive: bytes) -> dict[str, bytes]:
    """The files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: stream.read() for name, stream in found.items() if stream}
