"""The composition root: the only place that constructs services, and the order in which they start and stop."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pier import log
from pier.api.services import Services
from pier.build import lifecycle as builder
from pier.build.deps import Deps as BuildDeps
from pier.build.deps import Settings as BuildSettings
from pier.containers import supervisor
from pier.containers.deps import Deps, Settings
from pier.containers.registry import Registry
from pier.content.local import LocalContentStore
from pier.daemon.config import Config
from pier.daemon.system import HostSystem
from pier.daemon.values import by_host, integer, size, ulimit_pair
from pier.events.bus import EventBus
from pier.images.contentindex import ContentIndex
from pier.images.deps import Images
from pier.images.release import collect
from pier.linux import cgroup, trees
from pier.metadata.build import SqliteCacheStore
from pier.metadata.containers import SqliteContainerStore
from pier.metadata.db import Database
from pier.metadata.images import SqliteImageStore
from pier.metadata.journal import SqliteJournal
from pier.metadata.networks import SqliteNetworkStore
from pier.metadata.volumes import SqliteVolumeStore
from pier.networks.service import Networks, NetworkSettings
from pier.remote.client import Registries
from pier.remote.settings import Settings as RegistrySettings
from pier.runtime.host import host_facts
from pier.runtime.select import select_runtime
from pier.snapshots.overlay import OverlaySnapshotter
from pier.volumes.service import Volumes

_DEFAULT_ROOT = Path("/var/lib/pier")
_LEAST_CACHE = 2 << 30


@dataclass(slots=True)
class Daemon:
    """Everything that was built, and how it starts and stops. ``config`` changes on reload."""

    config: Config
    services: Services
    database: Database
    indexing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Finish or undo what the last daemon left half-done, and adopt the containers that run."""
        services = self.services
        await asyncio.to_thread(services.images.snapshots.recover)
        services.volumes.start()
        await services.networks.start()
        await supervisor.recover(services.containers)
        await builder.start(services.builds)
        await collect(services.images)
        self.indexing = asyncio.create_task(ContentIndex(services.images).keep())

    async def stop(self) -> None:
        """Let go of everything; containers run on."""
        services = self.services
        if self.indexing is not None:
            self.indexing.cancel()
        await builder.close(services.builds)
        await supervisor.close(services.containers)
        await services.containers.background.drain()
        await services.networks.close()
        await services.registries.close()
        await asyncio.to_thread(services.images.snapshots.close)
        await asyncio.to_thread(services.images.content.close)
        cgroup.remove_if_empty(cgroup.detect(), services.containers.settings.cgroup_parent)
        self.database.close()

    def reconfigure(self, fresh: Config, changed: Sequence[str]) -> None:
        """Take over the ``changed`` settings of ``fresh``."""
        self.config = Config({**self.config.values, **{name: fresh[name] for name in changed}})
        log.configure(self.config.log_level)
        self.services.registries.reconfigure(_registry_settings(self.config))
        if isinstance(self.services.system, HostSystem):
            self.services.system.config = self.config


async def wire(config: Config) -> Daemon:
    """Build all services. Raises PierError where the host lacks something."""
    runtime = await select_runtime(
        config["default-runtime"] or None,
        run=config.run,
        extra={name: Path(path) for name, path in config.pairs("runtimes").items()},
    )
    tmp = _fresh_tmp(config.root)
    database = Database(config.root / "pier.db")
    journal = SqliteJournal(database)
    events = EventBus()
    registry = Registry(SqliteContainerStore(database))
    snapshots = OverlaySnapshotter(config.root, journal)
    images = Images(
        LocalContentStore(config.root / "content"), snapshots, SqliteImageStore(database), journal, events, tmp
    )
    volumes = Volumes(config.root / "volumes", SqliteVolumeStore(database), journal, registry.volume_users, events)
    networks = Networks(SqliteNetworkStore(database), _network_settings(config))
    containers = Deps(
        registry=registry,
        images=images,
        snapshots=snapshots,
        runtime=runtime,
        host=host_facts(runtime.trees),
        networks=networks,
        volumes=volumes,
        events=events,
        journal=journal,
        root=config.root,
        run=config.run,
        settings=_container_settings(config),
    )
    registries = Registries(_registry_settings(config))
    builds = BuildDeps(
        images=images,
        snapshots=snapshots,
        runtime=runtime,
        host=containers.host,
        networks=networks,
        registries=registries,
        events=events,
        journal=journal,
        cache=SqliteCacheStore(database),
        root=_private(config.root / "build"),
        run=_private(config.run / "build"),
        settings=_build_settings(config),
    )
    system = HostSystem(config, containers)
    services = Services(containers, images, builds, networks, volumes, events, registries, system)
    return Daemon(config, services, database)


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _fresh_tmp(root: Path) -> Path:
    tmp = root / "tmp"
    trees.remove_tree(tmp)
    tmp.mkdir(mode=0o700)
    return tmp


def _network_settings(config: Config) -> NetworkSettings:
    return NetworkSettings(
        run=config.run,
        bridge=config["bridge"],
        bip=config["bip"],
        mtu=config["mtu"],
        dns=config["dns"],
        dns_search=config["dns-search"],
        dns_options=config["dns-opts"],
    )


def _registry_settings(config: Config) -> RegistrySettings:
    return RegistrySettings(
        insecure=config["insecure-registries"],
        mirrors=by_host(config["registry-mirrors"]),
        environment=config.environment,
        attempts=config["max-download-attempts"],
        max_downloads=config["max-concurrent-downloads"],
        max_uploads=config["max-concurrent-uploads"],
    )


def _container_settings(config: Config) -> Settings:
    given: dict[str, Any] = {}
    options = config.pairs("log-opts")
    if "max-size" in options:
        given["log_max_size"] = size(options["max-size"])
    if "max-file" in options:
        given["log_max_files"] = integer(options["max-file"])
    return Settings(
        cgroup_parent=config["cgroup-parent"] or cgroup_parent(config.root),
        cgroupns=config["default-cgroupns-mode"] or "private",
        init_path=Path(config["init-path"]) if config["init-path"] else None,
        init=config["init"],
        shm_size=config["default-shm-size"],
        ulimits=dict(ulimit_pair(text) for text in config["default-ulimits"]),
        **given,
    )


def _build_settings(config: Config) -> BuildSettings:
    return BuildSettings(
        cache_max=config["build.cache.max"] or _tenth_of_the_disk(config.root),
        parallelism=config["build.parallelism"],
        cgroup_parent=config["cgroup-parent"] or cgroup_parent(config.root),
        shm_size=config["default-shm-size"],
        ulimits=dict(ulimit_pair(text) for text in config["default-ulimits"]),
    )


def _tenth_of_the_disk(folder: Path) -> int:
    disk = os.statvfs(folder)
    return max(disk.f_blocks * disk.f_frsize // 10, _LEAST_CACHE)


def cgroup_parent(root: Path) -> str:
    """A parent group of this daemon's own: daemons side by side never meet in one."""
    if root == _DEFAULT_ROOT:
        return "/pier"
    return f"/pier-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"
