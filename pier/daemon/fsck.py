"""``GET /system/fsck``: what is on disk and in the kernel against what the records say.

Ask while little is going on: what is just being made or removed may look like a leftover.
"""

import asyncio
from pathlib import Path
from typing import Any

from pier.api.services import Services
from pier.containers.deps import Deps
from pier.errors import NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.linux.trees import remove_tree
from pier.oci.digest import Digest

Found = dict[str, Any]


async def findings(services: Services, *, fix: bool) -> list[Found]:
    """Everything that does not fit, ``{"Kind", "Path", "Detail", "Fixed"}`` each; empty when all is well.

    ``fix`` finishes or undoes what was left half-done, removes what is nobody's, and reports what remains.
    """
    before = await _find(services)
    if not fix or not before:
        return [finding | {"Fixed": False} for finding in before]
    deps = services.containers
    await asyncio.to_thread(deps.snapshots.repair)
    for folder in _stray_folders(deps):
        await asyncio.to_thread(remove_tree, folder)
    remaining = await _find(services)
    return [finding | {"Fixed": finding not in remaining} for finding in before]


async def _find(services: Services) -> list[Found]:
    deps = services.containers
    snapshots = await asyncio.to_thread(deps.snapshots.verify)
    found = [_finding(each.kind, each.detail, each.path) for each in snapshots]
    found += await asyncio.to_thread(_images, services.images)
    found += _containers(deps)
    found += [_finding("volume", text) for text in await asyncio.to_thread(services.volumes.verify)]
    found += [_finding("network", text) for text in await services.networks.verify()]
    return found


def _finding(kind: str, detail: str, path: str | Path = "") -> Found:
    return {"Kind": kind, "Path": str(path), "Detail": detail}


def _images(images: Images) -> list[Found]:
    found = []
    for image in images.store.list():
        if not images.content.exists(image.id):
            found.append(_finding("image", f"the config of image {image.id} is missing", images.content.path(image.id)))
        found += [
            _finding("image", f"layer {chain} of image {image.id} is missing") for chain in _missing(images, image)
        ]
    return found


def _missing(images: Images, image: Image) -> list[Digest]:
    layers = images.snapshots.layers()
    return [chain for chain in image.chain_ids if chain not in layers]


def _containers(deps: Deps) -> list[Found]:
    found = []
    for live in deps.registry:
        folder = deps.folder(live.record.id)
        if not folder.is_dir():
            found.append(_finding("container", f"the folder of container {live.record.id} is missing", folder))
        try:
            deps.snapshots.rw_parent(live.record.id)
        except NotFound:
            found.append(_finding("container", f"the writable layer of container {live.record.id} is missing"))
    strays = _stray_folders(deps)
    return found + [_finding("container", f"folder {each.name} belongs to no container", each) for each in strays]


def _stray_folders(deps: Deps) -> list[Path]:
    """Folders of containers that are in no record; of one that is being made the record comes last."""
    pending = {entry.key for entry in deps.journal.pending("container:")}
    known = {live.record.id for live in deps.registry} | pending
    roots = (deps.root / "containers", deps.run / "containers")
    return [each for root in roots if root.is_dir() for each in root.iterdir() if each.name not in known]
