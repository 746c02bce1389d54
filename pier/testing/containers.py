"""The container engine without its HTTP: all real parts, on roots of a test's own, and nothing left afterwards.

    async with containers_engine(tmp_path) as deps:
        await import_image(deps.images, tar, "box", {"Cmd": ["sh"]})
        made = await create.create(deps, "x", CreateRequest(image="box"))

:func:`reborn` is what a new daemon would be: other objects over the same roots.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from pier.containers import remove, supervisor
from pier.containers.deps import Deps, Settings
from pier.containers.registry import Registry
from pier.content.local import LocalContentStore
from pier.errors import NotFound
from pier.events.bus import EventBus
from pier.images.deps import Images
from pier.images.register import register
from pier.linux import cgroup, mount, trees
from pier.metadata.containers import SqliteContainerStore
from pier.metadata.db import Database
from pier.metadata.images import SqliteImageStore
from pier.metadata.journal import SqliteJournal
from pier.metadata.networks import SqliteNetworkStore
from pier.metadata.volumes import SqliteVolumeStore
from pier.networks.service import Networks, NetworkSettings
from pier.oci.image import ExecutionConfig, ImageConfig, RootFS, encode_config
from pier.oci.reference import parse_reference
from pier.runtime.host import host_facts
from pier.runtime.select import select_runtime
from pier.snapshots.diff import apply_layer
from pier.snapshots.overlay import OverlaySnapshotter
from pier.volumes.service import Volumes


class Roots:
    """The folders and names that keep one test's engine apart from all others."""

    def __init__(self, folder: Path) -> None:
        unique = os.urandom(3).hex()
        self.root = folder / "root"
        self.run = Path(f"/run/pier-test-{unique}")
        self.bridge = f"pt{unique}"
        self.bip = f"10.214.{int(unique[:2], 16)}.1/24"
        self.cgroup_parent = f"/pier-test-{unique}"


async def build(roots: Roots) -> Deps:
    """Construct and start everything; what an earlier engine left in the roots is recovered."""
    roots.root.mkdir(parents=True, exist_ok=True)
    roots.run.mkdir(parents=True, exist_ok=True)
    (roots.root / "tmp").mkdir(exist_ok=True)
    runtime = await select_runtime(None, run=roots.run)
    database = Database(roots.root / "pier.db")
    journal, events = SqliteJournal(database), EventBus()
    registry = Registry(SqliteContainerStore(database))
    snapshots = OverlaySnapshotter(roots.root, journal)
    content = LocalContentStore(roots.root / "content")
    images = Images(content, snapshots, SqliteImageStore(database), journal, events, roots.root / "tmp")
    volumes = Volumes(roots.root / "volumes", SqliteVolumeStore(database), journal, registry.volume_users, events)
    settings = NetworkSettings(run=roots.run, bridge=roots.bridge, bip=roots.bip)
    deps = Deps(
        registry=registry, images=images, snapshots=snapshots, runtime=runtime, host=host_facts(runtime.trees),
        networks=Networks(SqliteNetworkStore(database), settings), volumes=volumes, events=events, journal=journal,
        root=roots.root, run=roots.run,
        settings=Settings(
            cgroup_parent=roots.cgroup_parent,
            cgroupns="private",
        ),
    )  # fmt: skip
    snapshots.recover()
    volumes.start()
    await deps.networks.start()
    await supervisor.recover(deps)
    return deps


async def let_go(deps: Deps) -> None:
    """End as a daemon ends: containers go on running."""
    await supervisor.close(deps)
    await deps.networks.close()
    deps.snapshots.close()


async def reborn(deps: Deps, roots: Roots) -> Deps:
    """A new daemon over the same roots. The old one only lets go of its tasks and sockets, as kill -9 would."""
    for live in deps.registry:
        for task in (live.supervisor, live.restarter, live.rotation, live.monitor):
            if task is not None:
                task.cancel()
    await deps.networks.close()
    return await build(roots)


@asynccontextmanager
async def containers_engine(folder: Path, roots: Roots | None = None) -> AsyncIterator[Deps]:
    """A started engine; afterwards its containers, mounts, networks and roots are gone."""
    roots = roots or Roots(folder)
    deps = await build(roots)
    try:
        yield deps
    finally:
        await dispose(deps, roots)


async def dispose(deps: Deps, roots: Roots) -> None:
    for live in deps.registry:
        with contextlib.suppress(NotFound):
            await remove.remove(deps, live.record.id, force=True, volumes=True)
    await let_go(deps)
    _unmount_below(roots.root, roots.run)
    trees.remove_tree(roots.root)
    trees.remove_tree(roots.run)
    cgroup.remove_if_empty(cgroup.detect(), roots.cgroup_parent)


def _unmount_below(*folders: Path) -> None:
    targets = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed(targets):
        if any(Path(target).is_relative_to(folder) for folder in folders):
            mount.unmount(Path(target), detach=True)


async def import_image(images: Images, tar: bytes, name: str, config: dict[str, Any] | None = None) -> str:
    """Make an image of one layer; ``config`` as in an image's JSON. Returns its id."""

    async def once() -> AsyncIterator[bytes]:
        yield tar

    writer = images.snapshots.begin_layer()
    applied = await apply_layer(once(), writer)
    writer.commit(None, applied.diff_id, applied.size, applied.skeleton)
    execution = msgspec.convert(config or {}, ExecutionConfig)
    whole = ImageConfig("amd64", "linux", RootFS(diff_ids=[applied.diff_id]), execution)
    image = await register(images, encode_config(whole))
    images.store.tag(parse_reference(name).with_default_tag(), image.id)
    return image.id
