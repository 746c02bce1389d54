"""The content folder is an OCI image layout that other tools read."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pier.images.contentindex import ContentIndex
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.importing import ImportOptions, import_tar
from pier.images.pull import pull
from pier.images.push import push
from pier.images.release import collect, forget
from pier.linux.process import run
from pier.oci.reference import parse_reference
from pier.remote.client import Registries
from pier.testing.images import Told, layer_tar, pieces
from pier.testing.registry import distribution


def _listed(content: Path) -> dict[str, Any]:
    index = json.loads((content / "index.json").read_bytes())
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry for entry in index["manifests"]}


async def _pulled(
    folder: Path, images: Images, others: Images, registries: Registries, told: Told
) -> tuple[str, Image]:
    """Import into ``images``, push, and pull into ``others``."""
    async with distribution(folder) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        tar = layer_tar(file=os.urandom(100_000))
        await import_tar(images, pieces(tar), ImportOptions(reference=reference, changes=("CMD true",)), told)
        await push(images, registries, reference, None, told)
        return reference.familiar, await pull(others, registries, reference, None, None, told)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_pulled_image_is_read_by_skopeo_until_it_is_removed(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    name, image = await _pulled(tmp_path, images, others, registries, told)
    content = tmp_path / "two" / "content"
    index = ContentIndex(others)
    await index.write()
    await collect(others)
    copied = await run(["skopeo", "copy", f"oci:{content}:{name}", f"dir:{tmp_path}/copy"])
    assert copied.returncode == 0, copied.stderr
    assert (tmp_path / "copy" / image.id.removeprefix("sha256:")).exists()

    await forget(others, image)
    await index.write()
    assert _listed(content) == {}
    assert list(others.content.walk()) == []


async def test_an_image_whose_layers_are_no_blobs_is_not_listed(tmp_path: Path, images: Images, told: Told) -> None:
    options = ImportOptions(reference=parse_reference("plain:1"), changes=())
    await import_tar(images, pieces(layer_tar(file=b"text")), options, told)
    await ContentIndex(images).write()
    assert _listed(tmp_path / "one" / "content") == {}


async def test_it_follows_what_happens(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    keeping = asyncio.create_task(ContentIndex(others).keep())
    name, _ = await _pulled(tmp_path, images, others, registries, told)
    await _until(lambda: name in _listed(tmp_path / "two" / "content"))
    others.events.close()
    await keeping
