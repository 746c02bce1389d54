"""For tests of the steps of a build: real containers and networks, and a base with a busybox."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from pier.build import lifecycle
from pier.build.deps import Build, Deps, Settings
from pier.build.graph import Exec, Op, Rootfs, Vertex, VertexId
from pier.build.ops import execute
from pier.build.ops.op import Result
from pier.build.progress import LogPiece
from pier.build.request import BuildRequest
from pier.errors import NotFound
from pier.linux import cgroup
from pier.oci.platform import host_platform
from pier.snapshots import diff
from pier.testing import containers
from pier.testing.buildcache import MemoryCacheStore
from pier.testing.containers import Roots
from pier.testing.exports import Client, Told
from pier.testing.images import pieces


class Keeper(Client):
    """A client with secrets and agents, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, bytes] = {}
        self.agents: dict[str, Path] = {}

    async def secret(self, id: str) -> bytes | None:
        return self.secrets.get(id)

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        return self._agent(id)

    @asynccontextmanager
    async def _agent(self, id: str) -> AsyncIterator[Path]:
        if id not in self.agents:
            raise NotFound(f"no agent {id}")
        yield self.agents[id]


class Steps:
    """Runs steps on ``base``; ``told`` is what they told."""

    def __init__(self, deps: Deps, roots: Roots, base: Rootfs) -> None:
        self.deps = deps
        self.roots = roots
        self.base = base
        self.client: Keeper = Keeper()
        self.told = Told()

    def build(self, **request: Any) -> Build:
        return Build(self.deps, BuildRequest(id="b1", **request), self.client, self.told)

    async def run(self, text: str, *inputs: Result, request: dict[str, Any] | None = None, **op: Any) -> Rootfs:
        """``RUN text``; ``inputs`` follow the base."""
        made = Exec(args=("/bin/sh", "-c", text), base=0, **op)
        self.told.clear()
        return await execute.execute(self.build(**request or {}), vertex(made), [self.base, *inputs])

    def said(self) -> str:
        """What the last step wrote."""
        return b"".join(event.data for event in self.told if isinstance(event, LogPiece)).decode()

    async def layer_tar(self, rootfs: Rootfs) -> bytes:
        """The tar of the topmost layer."""
        assert rootfs.chain is not None
        layer = self.deps.snapshots.layer(rootfs.chain)
        return b"".join([data async for data in diff.layer_tar(layer)])

    def left(self) -> list[str]:
        """What steps have left behind: folders, mounts, groups, sandboxes' endpoints."""
        folder = self.deps.run / "steps"
        found = [str(each) for each in folder.iterdir()] if folder.exists() else []
        found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.deps.run) in line]
        found += [each.detail for each in self.deps.snapshots.verify()]
        group = f"{self.roots.cgroup_parent}/build"
        return found + [str(pid) for pid in cgroup.pids(cgroup.detect(), group)]


def vertex(op: Op, environment: Sequence[str] = ()) -> Vertex:
    return Vertex(VertexId("sha256:v"), op, (), "step", host_platform(), environment=tuple(environment))


@asynccontextmanager
async def build_steps(folder: Path, base_tar: bytes) -> AsyncIterator[Steps]:
    """All real parts, in folders and on a bridge of their own; gone at the end."""
    roots = Roots(folder)
    engine = await containers.build(roots)
    for each in (roots.root / "build", roots.run / "build"):
        each.mkdir(mode=0o700)
    deps = Deps(
        images=engine.images,
        snapshots=engine.snapshots,
        runtime=engine.runtime,
        host=engine.host,
        networks=engine.networks,
        registries=None,  # type: ignore[arg-type]  # no step asks a registry
        events=engine.events,
        journal=engine.journal,
        cache=MemoryCacheStore(),
        root=roots.root / "build",
        run=roots.run / "build",
        settings=Settings(cgroup_parent=roots.cgroup_parent),
    )
    writer = deps.snapshots.begin_layer()
    applied = await diff.apply_layer(pieces(base_tar), writer)
    writer.commit(None, applied.diff_id, applied.size, applied.skeleton)
    try:
        yield Steps(deps, roots, Rootfs((applied.diff_id,)))
    finally:
        await lifecycle.close(deps)
        await containers.dispose(engine, roots)
        cgroup.remove(cgroup.detect(), roots.cgroup_parent)
