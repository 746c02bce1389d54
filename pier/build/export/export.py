"""From root file systems to what was asked for: images, archives, folders."""

import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Final

import msgspec

from pier.build.deps import Build
from pier.build.export.epoch import epoch_of
from pier.build.export.image import best, to_store
from pier.build.export.layout import archive, plan
from pier.build.export.made import Made, make
from pier.build.export.outputs import Wanted, wanted
from pier.build.export.registry import push, record_push
from pier.build.export.steps import Part, Step, step
from pier.build.export.tree import tree_tar
from pier.build.graph import Exec, Graph, Rootfs, VertexId
from pier.build.remotecache.exporting import export_cache
from pier.build.remotecache.records import records_of
from pier.build.steps.cachemounts import folder_of
from pier.errors import InvalidArgument
from pier.images.image import Image
from pier.oci.digest import Digest
from pier.oci.manifest import Descriptor

_TITLES: Final = {
    "image": "exporting to image",
    "docker": "exporting to docker image format",
    "oci": "exporting to oci image format",
    "tar": "exporting to client tarball",
    "local": "exporting to client directory",
}

Metadata = dict[str, str]


class Exported(msgspec.Struct, frozen=True):
    """``images``: IDs of what is in the store now, one a platform. ``metadata``: as BuildKit names it."""

    images: tuple[Digest, ...]
    metadata: Metadata


async def export(build: Build, graph: Graph, roots: Mapping[VertexId, Rootfs]) -> Exported:
    """Do all that the request's outputs and ``cache_to`` ask for. ``roots``: the targets' file systems, all there.

    Raises InvalidArgument for an output that cannot be, before anything is done; NotFound where a layer is not there.
    """
    outputs = wanted(build.request)
    images: list[Digest] = []
    metadata: Metadata = {}
    made: list[Made] | None = None
    for output in outputs:
        if output.nowhere:
            continue
        title = _TITLES["image" if not output.archive else output.type]
        key = f"{build.request.id} {output.index}"
        with step(build.progress, key, title) as shown:
            if made is None:
                with shown.part("exporting layers"):
                    made = await make(build, graph, roots)
            stored, told = await _one(build, made, output, shown)
        images += stored
        metadata.update(told)
    if build.request.cache_to:
        await export_cache(build, records_of(build), roots.values(), _mounts(build, graph))
    return Exported(tuple(dict.fromkeys(images)), metadata)


def _mounts(build: Build, graph: Graph) -> dict[str, Path]:
    """The folders of the cache mounts that the build's steps have, by ID."""
    steps = [vertex.op for vertex in graph.vertices.values() if isinstance(vertex.op, Exec)]
    return {
        mount.id: folder_of(build.deps, mount.id) for step in steps for mount in step.mounts if mount.type == "cache"
    }


async def _one(build: Build, made: Sequence[Made], output: Wanted, shown: Step) -> tuple[list[Digest], Metadata]:
    if not output.archive:
        return await _image(build, made, output, shown)
    if output.type in ("tar", "local"):
        await _tree(build, made, output, shown)
        return [], {}
    return [], await _archive(build, made, output, shown)


async def _image(build: Build, made: Sequence[Made], output: Wanted, shown: Step) -> tuple[list[Digest], Metadata]:
    if output.push and not output.names:
        raise InvalidArgument("tag is needed when pushing to registry")
    names = [] if output.by_digest else list(output.names)
    images: list[Image] = await to_store(build, made, names, shown) if output.store else []
    pushed: list[Descriptor] = []
    for name in output.names if output.push else ():
        pushed.append(await push(build, made, output, name, shown))
        if images:
            record_push(build, images[best(made)], pushed[-1], name)
    return [image.id for image in images], _metadata(made, output, pushed)


def _metadata(made: Sequence[Made], output: Wanted, pushed: Sequence[Descriptor]) -> Metadata:
    """What was pushed is known by its manifest; what is only here by the ID that ``run`` takes."""
    main: str = made[best(made)].id
    told = {"containerimage.config.digest": main, "containerimage.digest": main}
    if pushed:
        told["containerimage.digest"] = pushed[0].digest
        told["containerimage.descriptor"] = _base64(pushed[0])
    if output.names:
        told["image.name"] = ",".join(name.canonical for name in output.names)
    return told


def _base64(descriptor: Descriptor) -> str:
    return base64.b64encode(msgspec.json.encode(descriptor)).decode()


async def _archive(build: Build, made: Sequence[Made], output: Wanted, shown: Step) -> Metadata:
    if output.type == "docker" and len(made) > 1:
        raise InvalidArgument("docker exporter does not currently support exporting manifest lists")
    async with AsyncExitStack() as stack:
        planned = await plan(build.deps, made, output, stack)
        shown.note(f"exporting manifest {planned.root.digest}")
        for each in made:
            shown.note(f"exporting config {each.id}")
        with shown.part("sending tarball") as part:
            await _send(build, output, archive(planned, output.names), part)
    told: Metadata = {
        "containerimage.config.digest": made[best(made)].id,
        "containerimage.digest": planned.root.digest,
        "containerimage.descriptor": _base64(planned.root),
    }
    if output.names:
        told["image.name"] = ",".join(name.canonical for name in output.names)
    return told


async def _tree(build: Build, made: Sequence[Made], output: Wanted, shown: Step) -> None:
    pieces = tree_tar(build.deps, made, split=output.split, epoch=epoch_of(build.request))
    with shown.part("copying files" if output.type == "local" else "sending tarball") as part:
        await _send(build, output, pieces, part)


async def _send(build: Build, output: Wanted, pieces: AsyncGenerator[bytes, None], part: Part) -> None:
    async with aclosing(pieces) as source, aclosing(_counted(source, part)) as counted:
        await build.session.export_tar(output.index, counted)


async def _counted(pieces: AsyncGenerator[bytes, None], part: Part) -> AsyncGenerator[bytes, None]:
    async for data in pieces:
        part.add(len(data))
        yield data
