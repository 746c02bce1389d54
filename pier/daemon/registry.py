"""``pier registry serve``: from settings to a running registry. The only place that constructs its parts."""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import uvloop

from pier import log
from pier.daemon.registryaccess import open_gate
from pier.daemon.registryserve import Instance, serve
from pier.errors import InvalidArgument, PierError
from pier.linux import memory
from pier.metadata.registry.opening import open_records
from pier.registry.access.gate import Gate
from pier.registry.builds.choosing import check as check_builds
from pier.registry.builds.credentials import check_files
from pier.registry.builds.perform import Builds
from pier.registry.builds.tokens import Tokens
from pier.registry.configuration import load
from pier.registry.deps import Registry
from pier.registry.hooks.deliver import Webhooks
from pier.registry.housekeeping.collect import collect, end_stale_uploads
from pier.registry.housekeeping.retain import retain_alone
from pier.registry.http.api.table import PREFIX, SEARCH, Api
from pier.registry.http.app import make_app
from pier.registry.http.buildhooks import PREFIX as HOOKS
from pier.registry.http.buildhooks import BuildHooks
from pier.registry.http.health import Health
from pier.registry.http.tls import TLS
from pier.registry.http.token import TokenPage
from pier.registry.periodic import Periodic
from pier.registry.replication import schedule
from pier.registry.replication.replicate import Replications
from pier.registry.settings import Settings
from pier.registry.storages.opening import open_storage
from pier.registry.upstream import leaving
from pier.registry.upstream.cache import Cache

_THREADS: Final = 16
_COUNT_PULLS_EVERY: Final = 60
"""Seconds. SQLite flushes its log for it, and with it the disk writes what a client on this host has just pulled."""
_LET_GO_EVERY: Final = 10
_TRIM_EVERY: Final = 60
_SUM_UP_EVERY: Final = 10
_LOOK_AT_CERTIFICATE_EVERY: Final = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] != ["serve"]:
        print("usage: pier registry serve [OPTIONS]", file=sys.stderr)
        return 125
    try:
        settings = load(words[1:], os.environ)
        if settings.log_level not in log.LEVELS:
            raise InvalidArgument(f"invalid logging level: {settings.log_level}")
        log.configure(settings.log_level)
        _run(settings)
    except PierError as error:
        print(f"pier registry: {error.message}", file=sys.stderr)
        return 1
    return 0


def _run(settings: Settings) -> None:
    os.umask(0o027)
    memory.limit_arenas(2)
    memory.keep_buffers(4 << 20, 16 << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(settings))


async def _live(settings: Settings) -> None:
    began = time.monotonic()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="worker"))
    instance = await wire(settings)
    try:
        await serve(instance, began)
    finally:
        for stop in reversed(instance.stops):
            await stop()


async def wire(settings: Settings) -> Instance:
    """Construct everything. Raises InvalidArgument for settings without sense, Unavailable for what is not there."""
    tls = _tls(settings)
    root = _root(settings)
    records = await open_records(settings.database or f"sqlite://{root}/registry.db")
    storage = await open_storage(settings.storage or f"file://{root}/blobs")
    registry = Registry(records, storage, settings)
    try:
        webhooks = Webhooks(registry)
        replications = Replications(registry)
        cache = Cache(registry) if settings.upstream else None
        check_builds(settings)
        check_files(settings)
        gate = await open_gate(registry)
    except PierError:
        await storage.stop()
        await records.stop()
        raise
    app = make_app(registry, gate.guard, audit=gate.audit, cache=cache)
    api = Api(registry, gate, cache)
    tokens = TokenPage(gate, settings, cache.places if cache else None)
    app.pages.update({"/token": tokens.answer, PREFIX: api.answer, SEARCH: api.answer})
    health = Health(registry, app.metrics)
    app.pages.update({"/healthz": health.alive, "/readyz": health.ready})
    if not settings.metrics_listen:
        app.pages["/metrics"] = health.show
    instance = Instance(registry, app, health, tls)
    instance.stops += [records.stop, storage.stop, gate.passwords.stop, gate.audit.stop]
    instance.reloads.append(gate.audit.reload)
    instance.periodic.append(Periodic("audit", _SUM_UP_EVERY, gate.audit.sum_up))
    _keep_house(instance)
    if cache is not None:
        cache.counters, cache.gauges = app.metrics.counters, app.metrics.gauges
        instance.stops.append(cache.stop)
        instance.periodic.append(Periodic("upstreams", _LET_GO_EVERY, cache.keep_house))
    else:
        instance.periodic.append(Periodic("upstreams", leaving.EVERY, lambda: leaving.leave(registry)))
    _do_jobs(instance, gate, webhooks, replications)
    if tls:
        instance.reloads.append(tls.reload)
        instance.periodic.append(Periodic("certificate", _LOOK_AT_CERTIFICATE_EVERY, tls.reload))
    return instance


def _keep_house(instance: Instance) -> None:
    """What every instance does now and then."""
    registry, settings = instance.registry, instance.registry.settings
    instance.stops.append(lambda: _write_pulls(registry))
    instance.periodic += [
        Periodic("pulls", _COUNT_PULLS_EVERY, lambda: _write_pulls(registry)),
        Periodic("collection", settings.collect_every, lambda: collect(registry)),
        Periodic("uploads", settings.collect_every, lambda: end_stale_uploads(registry)),
        Periodic("retention", settings.retain_every, lambda: retain_alone(registry)),
        Periodic("memory", _TRIM_EVERY, lambda: asyncio.to_thread(memory.trim)),
    ]


def _do_jobs(instance: Instance, gate: Gate, webhooks: Webhooks, replications: Replications) -> None:
    """What follows from pushes and from calls of Git services, where the settings have any of it."""
    registry, settings = instance.registry, instance.registry.settings
    if settings.webhook:
        registry.planners.append(webhooks.plan)
        instance.working.append(webhooks.worker.run)
    if settings.replication:
        registry.planners.append(replications.plan)
        instance.working.append(replications.worker.run)
        instance.periodic.append(Periodic("schedules", schedule.EVERY, schedule.Schedule(registry).look))
        instance.stops.append(replications.stop)
    if settings.build:
        builds = Builds(registry, Tokens(gate))
        instance.app.pages[HOOKS] = BuildHooks(registry, gate, settings.build).answer
        instance.working.append(builds.run)


def _root(settings: Settings) -> Path:
    root = Path(settings.root)
    if not root.is_absolute():
        raise InvalidArgument(f"root must be an absolute path: {settings.root}")
    try:
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"cannot use the folder {root}: {error.strerror}") from error
    return root


def _tls(settings: Settings) -> TLS | None:
    if not settings.tls_cert and not settings.tls_key:
        return None
    if not (settings.tls_cert and settings.tls_key):
        raise InvalidArgument("tls_cert and tls_key go together")
    return TLS(settings.tls_cert, settings.tls_key)


async def _write_pulls(registry: Registry) -> None:
    await registry.pulls.flush(registry.records, registry.now())


if __name__ == "__main__":
    sys.exit(main())
