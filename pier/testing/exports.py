"""For tests of what comes out of a build: a machine with an image store, a client, and layers to export."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from pier.build.caching.held import Held
from pier.build.deps import Build, Deps
from pier.build.graph import Graph, ImageSource, Target, Vertex, vertex_id
from pier.build.progress import Event, StatusState, VertexState
from pier.build.request import BuildRequest
from pier.build.session import Folder
from pier.errors import NotFound
from pier.images.deps import Images
from pier.oci.digest import Digest
from pier.oci.image import ExecutionConfig, HistoryEntry, chain_id, chain_ids
from pier.oci.platform import Platform
from pier.remote.client import Registries
from pier.remote.settings import Credentials
from pier.snapshots import diff
from pier.testing.buildcache import MemoryCacheStore
from pier.testing.images import make_images, pieces

AMD64 = Platform("amd64", "linux")


class Client:
    """A session whose client takes what is exported. ``tars``: by the output's place. ``folders``: by name."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.tars: dict[int, bytes] = {}
        self.folders: dict[str, Path] = {}
        self.given = credentials

    @asynccontextmanager
    async def folder(self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]) -> AsyncIterator[Folder]:
        if name not in self.folders:
            raise NotFound(f"no folder {name}")
        yield Folder(self.folders[name], name, in_place=True)

    def upload(self, name: str) -> AsyncIterator[bytes]:
        raise NotFound(f"no upload {name}")

    async def secret(self, id: str) -> bytes | None:
        return None

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        raise NotFound(f"no agent {id}")

    async def credentials(self, domain: str) -> Credentials | None:
        return self.given

    async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
        self.tars[output] = b"".join([chunk async for chunk in chunks])


class Told(list[Event]):
    """What a build told."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def parts(self) -> list[str]:
        """The texts of the parts that were finished."""
        return [event.name for event in self if isinstance(event, StatusState) and event.completed]

    def vertices(self) -> list[str]:
        return [event.name for event in self if isinstance(event, VertexState) and event.completed]


class Machine:
    """One machine below ``root``: use as an async context manager."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.images: Images = make_images(root)
        self.client = Client()
        self.told = Told()
        self.cache = MemoryCacheStore()
        self.held = Held()
        self.images.holders.append(self.held.__contains__)

    async def __aenter__(self) -> "Machine":
        self.registries = Registries()
        for name in ("build", "run"):
            (self.root / name).mkdir(exist_ok=True)
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.registries.close()
        self.images.snapshots.close()
        self.images.content.close()

    def build(self, **request: Any) -> Build:
        """A build with these fields in its request. What runs steps is not there: nothing here runs any."""
        nothing = cast(Any, None)
        deps = Deps(
            images=self.images,
            snapshots=self.images.snapshots,
            runtime=nothing,
            host=nothing,
            networks=nothing,
            registries=self.registries,
            events=self.images.events,
            journal=self.images.journal,
            cache=self.cache,
            root=self.root / "build",
            run=self.root / "run",
            held=self.held,
        )
        return Build(deps, BuildRequest(id="b1", **request), self.client, self.told)

    async def layer(self, parent: Sequence[Digest], tar: bytes) -> tuple[Digest, ...]:
        """Unpack ``tar`` on top of the layers ``parent``; all of them."""
        writer = self.images.snapshots.begin_layer()
        applied = await diff.apply_layer(pieces(tar), writer)
        below = chain_ids(parent)[-1] if parent else None
        writer.commit(below, applied.diff_id, applied.size, applied.skeleton)
        assert self.images.snapshots.layer(chain_id(below, applied.diff_id))
        return (*parent, applied.diff_id)


def graph_of(*targets: Target, vertices: Sequence[Vertex] = ()) -> Graph:
    return Graph({vertex.id: vertex for vertex in vertices}, targets)


def rooted(diff_ids: tuple[Digest, ...], platform: Platform = AMD64, *, base: int = 0) -> tuple[Vertex, Target]:
    """A vertex that has these layers, and a target of it; the lowest ``base`` layers are an older image's."""
    op = ImageSource(reference="docker.io/library/x:latest", image_id=diff_ids[-1], diff_ids=diff_ids)
    vertex = Vertex(vertex_id(op, (), platform), op, (), "[1/1] FROM x", platform)
    history = tuple(
        HistoryEntry("2020-01-01T00:00:00Z" if index < base else None, f"step {index}")
        for index, _ in enumerate(diff_ids)
    )
    config = ExecutionConfig(env=["PATH=/bin"], cmd=["sh"])
    target = Target(platform, vertex.id, config, (*history, HistoryEntry(created_by="CMD sh", empty_layer=True)))
    return vertex, target
