"""Into the image store."""

from collections.abc import Mapping, Sequence

import msgspec

from pier.build.deps import Build
from pier.build.export.configure import image_config
from pier.build.export.layers import layers_of, made_at
from pier.build.export.outputs import Wanted
from pier.build.export.steps import Step, step
from pier.build.graph import Rootfs, Target, VertexId
from pier.images.image import Image
from pier.images.register import register
from pier.images.tag import tag_id
from pier.oci.digest import Digest
from pier.oci.image import chain_ids, encode_config
from pier.oci.reference import Reference


class Stored(msgspec.Struct, frozen=True):
    images: tuple[Digest, ...]
    metadata: dict[str, str]


async def to_store(build: Build, targets: Sequence[Target], roots: Mapping[VertexId, Rootfs], output: Wanted) -> Stored:
    """Make an image of each target and give it the output's names."""
    with step(build.progress, build.request.id, "exporting to image") as shown:
        images: list[Image] = []
        for target in targets:
            rootfs = roots[target.root] if target.root is not None else Rootfs()
            images.append(await _register(build, target, rootfs, shown))
        image_id: str = images[0].id
        metadata = {"containerimage.config.digest": image_id, "containerimage.digest": image_id}
        for name in output.names:
            _name(build, images[0], name, shown)
        if output.names:
            metadata["image.name"] = ",".join(name.canonical for name in output.names)
    return Stored(tuple(image.id for image in images), metadata)


async def _register(build: Build, target: Target, rootfs: Rootfs, shown: Step) -> Image:
    deps = build.deps
    with deps.images.pins.hold(chain_ids(rootfs.diff_ids)):
        with shown.part("exporting layers"):
            times = [made_at(layer) for layer in layers_of(deps, rootfs.diff_ids)]
            config = image_config(target, rootfs.diff_ids, times, build.request.source_date_epoch)
        data = encode_config(config)
        image = await register(deps.images, data)
        shown.note(f"writing image {image.id}")
    return image


def _name(build: Build, image: Image, reference: Reference, shown: Step) -> None:
    with shown.part(f"naming to {reference.canonical}"):
        tag_id(build.deps.images, image.id, reference.with_default_tag())
