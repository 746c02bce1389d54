"""Dockerfiles lowered without a builder: every image is there, and is as the test says."""

from typing import Any

import msgspec

from pier.build.dockerfile.images import ResolvedImage
from pier.build.dockerfile.lower import lower, needed_images
from pier.build.dockerfile.parse import parse
from pier.build.dockerfile.plan import Inputs
from pier.build.dockerfile.platforms import wanted_platforms
from pier.build.graph import Copy, Exec, Graph, LocalSource, Mkdir, Target, Vertex
from pier.build.request import BuildRequest
from pier.oci.digest import Digest
from pier.oci.image import ExecutionConfig, HistoryEntry, ImageConfig, RootFS
from pier.oci.platform import Platform

HOST = Platform("amd64", "linux")
LAYER = Digest("sha256:" + "1" * 64)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def graph_of(text: str, base: ExecutionConfig | None = None, **request: Any) -> Graph:
    """``base``: the config of every image that the Dockerfile names."""
    asked = BuildRequest(id="test", **request)
    dockerfile = parse({"Dockerfile": text.encode()}, "Dockerfile")
    inputs = Inputs(dockerfile, asked, tuple(wanted_platforms(asked.platforms, HOST)))
    while wanted := needed_images(inputs):
        found = {each.name: _image(each.name.reference, each.name.platform, base) for each in wanted}
        inputs = msgspec.structs.replace(inputs, images={**inputs.images, **found})
    return lower(inputs)


def _image(reference: str, platform: Platform, base: ExecutionConfig | None) -> ResolvedImage:
    config = ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        rootfs=RootFS(diff_ids=[LAYER]),
        config=base or ExecutionConfig(cmd=["sh"]),
        history=[HistoryEntry(created="2026-01-01T00:00:00Z", comment="base")],
    )
    return ResolvedImage(reference, Digest("sha256:" + "2" * 64), config)


def target_of(text: str, base: ExecutionConfig | None = None, **request: Any) -> Target:
    return graph_of(text, base, **request).targets[0]


def config_of(text: str, base: ExecutionConfig | None = None, **request: Any) -> ExecutionConfig:
    return target_of(text, base, **request).config


def history_of(text: str, **request: Any) -> list[str]:
    """What this build adds; an entry without a layer in parentheses."""
    new = [entry for entry in target_of(text, **request).history if entry.created is None]
    assert {entry.comment for entry in new} <= {"buildkit.dockerfile.v0"}
    return [f"({entry.created_by})" if entry.empty_layer else entry.created_by for entry in new]


def names_of(text: str, **request: Any) -> list[str]:
    return [vertex.name for vertex in graph_of(text, **request).vertices.values()]


def steps_of(graph: Graph, kind: type) -> list[Vertex]:
    return [vertex for vertex in graph.vertices.values() if isinstance(vertex.op, kind)]


def execs_of(text: str, **request: Any) -> list[Exec]:
    return [vertex.op for vertex in steps_of(graph_of(text, **request), Exec) if isinstance(vertex.op, Exec)]


def copies_of(text: str, **request: Any) -> list[Copy]:
    return [vertex.op for vertex in steps_of(graph_of(text, **request), Copy) if isinstance(vertex.op, Copy)]


def folders_of(text: str, **request: Any) -> dict[str, tuple[str, ...]]:
    """What is read of each of the client's folders."""
    ops = [vertex.op for vertex in graph_of(text, **request).vertices.values()]
    return {op.name: op.paths for op in ops if isinstance(op, LocalSource)}


def made_folders_of(text: str, **request: Any) -> list[str]:
    return [op.path for op in (v.op for v in steps_of(graph_of(text, **request), Mkdir)) if isinstance(op, Mkdir)]
