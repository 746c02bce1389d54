"""From root file systems to what was asked for: images, archives, folders."""

from collections.abc import Mapping

import msgspec

from pier.build.deps import Build
from pier.build.export.image import to_store
from pier.build.export.outputs import wanted
from pier.build.graph import Graph, Rootfs, VertexId
from pier.oci.digest import Digest


class Exported(msgspec.Struct, frozen=True):
    """``images``: IDs of what is in the store now, one a platform. ``metadata``: as BuildKit names it."""

    images: tuple[Digest, ...]
    metadata: dict[str, str]


async def export(build: Build, graph: Graph, roots: Mapping[VertexId, Rootfs]) -> Exported:
    """Do all that the request's outputs ask for. ``roots``: the targets' file systems, their layers in place.

    Raises InvalidArgument for an output that cannot be, before anything is done.
    """
    images: list[Digest] = []
    metadata: dict[str, str] = {}
    for output in wanted(build.request):
        made = await to_store(build, graph.targets, roots, output)
        images += made.images
        metadata.update(made.metadata)
    return Exported(tuple(dict.fromkeys(images)), metadata)
