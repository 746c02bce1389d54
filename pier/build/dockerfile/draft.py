"""The graph while it is drawn (pure): nodes by number, which become vertices once it is known what is needed."""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from pier.build.dockerfile.ast import Location
from pier.build.graph import Copy, Exec, Graph, LocalSource, Op, Target, Vertex, VertexId, vertex_id
from pier.oci.platform import Platform

_ANYWHERE: Final = Platform()


class Drawn(msgspec.Struct, frozen=True):
    """A vertex to be: ``inputs`` are numbers of nodes drawn before."""

    op: Op
    inputs: tuple[int, ...] = ()
    name: str = ""
    platform: Platform = _ANYWHERE
    location: Location | None = None
    environment: tuple[str, ...] = ()
    uncached: bool = False


class Draft:
    """``excludes``: the .dockerignore patterns of the folders, by name."""

    def __init__(self, excludes: Mapping[str, tuple[str, ...]]) -> None:
        self._excludes = excludes
        self._nodes: list[Drawn] = []
        self._folders: dict[str, int] = {}

    def add(self, drawn: Drawn) -> int:
        self._nodes.append(drawn)
        return len(self._nodes) - 1

    def folder(self, name: str, shown: str) -> int:
        """The client's folder ``name``; what is read of it is found out at the end."""
        if name not in self._folders:
            op = LocalSource(name=name, exclude=self._excludes.get(name, ()))
            self._folders[name] = self.add(Drawn(op, (), shown))
        return self._folders[name]

    def finish(self, targets: Sequence[tuple[int | None, Target]]) -> Graph:
        """The graph of what ``targets`` need; each comes with the number of its root."""
        needed = self._needed([root for root, _ in targets if root is not None])
        paths = self._read_paths(needed)
        ids: dict[int, VertexId] = {}
        vertices: dict[VertexId, Vertex] = {}
        for number in needed:
            drawn = self._nodes[number]
            op = drawn.op
            if isinstance(op, LocalSource):
                op = msgspec.structs.replace(op, paths=paths[number])
            inputs = tuple(ids[each] for each in drawn.inputs)
            ids[number] = id = vertex_id(op, inputs, drawn.platform)
            if id not in vertices:
                vertices[id] = _vertex(id, op, inputs, drawn)
        roots = [None if root is None else ids[root] for root, _ in targets]
        return Graph(
            vertices,
            tuple(msgspec.structs.replace(target, root=root) for root, (_, target) in zip(roots, targets, strict=True)),
        )

    def _needed(self, roots: Iterable[int]) -> list[int]:
        """In the order in which they were drawn: inputs come first."""
        found = set(roots)
        waiting = list(found)
        while waiting:
            fresh = set(self._nodes[waiting.pop()].inputs) - found
            found |= fresh
            waiting += fresh
        return sorted(found)

    def _read_paths(self, needed: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """What is read of each folder, as patterns; nothing where all of it is."""
        read: dict[int, dict[str, None]] = {number: {} for number in self._folders.values()}
        for number in needed:
            drawn = self._nodes[number]
            for input, path in _reads(drawn.op):
                source = drawn.inputs[input]
                if source in read:
                    read[source][_pattern(path)] = None
        return {number: () if "" in found else tuple(sorted(found)) for number, found in read.items()}


def _vertex(id: VertexId, op: Op, inputs: tuple[VertexId, ...], drawn: Drawn) -> Vertex:
    return Vertex(id, op, inputs, drawn.name, drawn.platform, drawn.location, drawn.environment, drawn.uncached)


def _reads(op: Op) -> list[tuple[int, str]]:
    """Which paths of which inputs the operation reads."""
    if isinstance(op, Copy):
        return [(item.input, item.path) for item in op.items if item.input is not None]
    if isinstance(op, Exec):
        return [(mount.input, _literal(mount.source)) for mount in op.mounts if mount.input is not None]
    return []


def _literal(path: str) -> str:
    """A path as a pattern that means just it."""
    return "".join(f"\\{each}" if each in "*?[\\" else each for each in path)


def _pattern(path: str) -> str:
    """Relative and clean; empty for the whole folder. ``**`` may stand for anything, so it ends the pattern."""
    parts = posixpath.normpath("/" + path.replace("/./", "/")).strip("/").split("/")
    deep = next((index for index, part in enumerate(parts) if "**" in part), len(parts))
    return "/".join(parts[:deep])
