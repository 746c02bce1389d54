"""``docker pull`` of what is no image, of broken and of contradictory ones: refused as Docker refuses it, or taken.

Proven on a Docker. What a text ends with (``...``) is left to the engine: Go's words for JSON, or which layer it is.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.testing import tars
from pier.testing.faulty_registry import FaultyRegistry, faulty_registry
from tests.compat.docker_cli import Docker

LAYER = tars.tar(tars.entry("odd", b"an odd image's only file"))
OTHER = "sha256:" + "1" * 64
HELM, TEXT, PLUGIN = "application/vnd.cncf.helm.config.v1+json", "text/plain", "application/vnd.docker.plugin.v1+json"
DOCKER, OCI = mediatypes.DOCKER_MANIFEST, mediatypes.OCI_MANIFEST
NO_ROOTFS = "invalid rootfs in image configuration"
OTHER_LAYERS = "layers from manifest don't match image configuration..."
UNSUPPORTED = "unsupported media type "
REGISTER = "failed to register layer: "


@dataclass(frozen=True)
class Odd:
    """An image that differs from a sound one. ``config`` and ``manifest``: fields that do, without those that are None;
    ``layer``: its only layer; ``served``: what the registry calls the manifest. ``told`` empty: it is pulled."""

    told: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    raw_config: bytes | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    kind: str = DOCKER
    config_type: str = mediatypes.OCI_CONFIG
    layer_type: str = mediatypes.OCI_LAYER_GZIP
    layer: bytes | None = LAYER
    served: str | None = None


def _rootfs(*diff_ids: str) -> dict[str, Any]:
    return {"rootfs": {"type": "layers", "diff_ids": list(diff_ids)}}


def _broken(layer: bytes, told: str) -> Odd:
    return Odd(REGISTER + told, layer=layer)


CASES = {
    "no layers": Odd(layer=None),
    "no layers, as Go writes them": Odd(layer=None, manifest={"layers": None}, kind=OCI),
    "no rootfs": Odd(NO_ROOTFS, config={"rootfs": None}),
    "no rootfs and no layers": Odd(NO_ROOTFS, config={"rootfs": None}, layer=None),
    "an empty rootfs and no layers": Odd(config={"rootfs": {}}, layer=None),
    "an empty config": Odd(NO_ROOTFS, raw_config=b"{}", layer=None),
    "fewer diff ids": Odd(OTHER_LAYERS, config=_rootfs()),
    "more diff ids": Odd(OTHER_LAYERS, config=_rootfs(sha256(LAYER), OTHER)),
    "another diff id": Odd(OTHER_LAYERS, config=_rootfs(OTHER)),
    "config: no JSON": Odd("...", raw_config=b"hello"),
    "config: a list": Odd("...", raw_config=b"[]"),
    "config: two documents": Odd("...", raw_config=json.dumps(_rootfs(sha256(LAYER))).encode() + b"{}"),
    "config: no time": Odd("...", config={"created": "yesterday"}),
    "config: history without layers": Odd(
        "too many non-empty layers in History section", config={"history": [{"created_by": "a"}, {"created_by": "b"}]}
    ),
    "another system": Odd(
        'image operating system "windows" cannot be used on this platform: operating system is not supported',
        config={"os": "windows"},
    ),
    "another machine": Odd(config={"architecture": "arm64"}),
    "no system, no machine": Odd(config={"os": None, "architecture": None}),
    "a chart": Odd(UNSUPPORTED + HELM, raw_config=b"{}", config_type=HELM, kind=OCI),
    "an artifact": Odd(
        UNSUPPORTED + mediatypes.OCI_EMPTY, raw_config=b"{}", config_type=mediatypes.OCI_EMPTY, kind=OCI
    ),
    "an artifact with an image's config": Odd(UNSUPPORTED + TEXT, raw_config=b"{}", layer_type=TEXT, kind=OCI),
    "a layer of text": Odd(UNSUPPORTED + TEXT, layer_type=TEXT),
    "a layer of no type": Odd(layer_type=""),
    "a layer of a new type of images": Odd(layer_type="application/vnd.oci.image.layer.v9.tar+new", kind=OCI),
    "a plugin": Odd(f'Encountered remote "{PLUGIN}"(plugin) when fetching', config_type=PLUGIN),
    "a config of text": Odd(f'Encountered remote "{TEXT}"(unknown) when fetching', config_type=TEXT),
    "a config of an old registry": Odd(config_type="text/html"),
    "manifest: no type": Odd("missing or empty Content-Type header", served=""),
    "manifest: another kind than served": Odd(
        f"if present, mediaType in manifest should be '{OCI}' not '{DOCKER}'", served=OCI
    ),
    "manifest: served as Docker's": Odd(
        f"mediaType in manifest should be '{DOCKER}' not '{OCI}'", kind=OCI, served=DOCKER
    ),
    "manifest: Docker's without a type": Odd(
        f"mediaType in manifest should be '{DOCKER}' not ''", manifest={"mediaType": None}
    ),
    "manifest: OCI's without a type": Odd(kind=OCI, manifest={"mediaType": None}),
    "manifest: served as text": Odd("...", served=TEXT),
    "manifest: of the first schema": Odd("...", served=mediatypes.DOCKER_SCHEMA1[1]),
    "manifest: an index too": Odd("...", kind=OCI, manifest={"manifests": []}),
    "a layer that is no tar": _broken(b"no tar " * 200, "archive/tar: invalid tar header"),
    "a layer cut in a header": _broken(LAYER[:300], "unexpected EOF"),
    "a layer cut in a file": _broken(LAYER[:520], "unexpected EOF"),
    "a layer of another format": _broken(
        tars.patched(tars.entry("a"), 156, b"Z") + tars.END, "unhandled tar header type 90"
    ),
    "a layer that links out": _broken(tars.tar(tars.hard_link("a", "../../../etc/passwd")), "..."),
    "a layer through a link": _broken(tars.tar(tars.symlink("a", "/tmp"), tars.entry("a/evil", b"x")), "..."),
    "a layer below a file": _broken(tars.tar(tars.entry("a", b"x"), tars.entry("a/b", b"x")), "..."),
}


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with faulty_registry() as running:
        yield running


def place(registry: FaultyRegistry, odd: Odd) -> str:
    """Have the registry hold it; returns its name."""
    layers = [] if odd.layer is None else [odd.layer]
    sound = {"architecture": "amd64", "os": "linux", "config": {}, **_rootfs(*map(sha256, layers))}
    fields = {key: value for key, value in {**sound, **odd.config}.items() if value is not None}
    config = json.dumps(fields).encode() if odd.raw_config is None else odd.raw_config
    document = {
        "schemaVersion": 2,
        "mediaType": odd.kind,
        "config": described(registry, odd.config_type, config),
        "layers": [described(registry, odd.layer_type, layer) for layer in layers],
        **odd.manifest,
    }
    if document["mediaType"] is None:
        del document["mediaType"]
    digest = registry.add_manifest("odd/image", "1", document)
    for reference in ("1", digest):
        data, _ = registry.manifests["odd/image", reference]
        registry.manifests["odd/image", reference] = data, odd.kind if odd.served is None else odd.served
    return f"{registry.host}/odd/image:1"


def described(registry: FaultyRegistry, media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": registry.add_blob(data), "size": len(data)}


@pytest.mark.parametrize("case", CASES)
async def test_odd_images(cli: Docker, registry: FaultyRegistry, case: str) -> None:
    odd = CASES[case]
    name = place(registry, odd)
    if not odd.told:
        await asyncio.to_thread(cli, "pull", name)
        cli("rmi", name)
        return
    told = (await asyncio.to_thread(cli.fails, "pull", name)).splitlines()[-1]
    told = told.removeprefix("Error response from daemon: ")
    assert told == odd.told or (odd.told.endswith("...") and told.startswith(odd.told.removesuffix("...")))
    assert cli.fails("image", "inspect", name)


async def test_what_is_missing_is_named(cli: Docker, registry: FaultyRegistry) -> None:
    name = place(registry, Odd())
    data, _ = registry.manifests["odd/image", "1"]
    document = json.loads(data)
    for digest, told in (
        (document["layers"][0]["digest"], "unknown blob"),
        (document["config"]["digest"], "error pulling image configuration: "),
    ):
        del registry.blobs[digest]
        refused = (await asyncio.to_thread(cli.fails, "pull", name)).splitlines()[-1]
        assert refused.startswith(told)
        assert "unknown blob" in refused
