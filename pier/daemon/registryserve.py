"""The registry's process: listen, serve, reload, stop. Transfers under way are waited for, up to a limit."""

import asyncio
import signal
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from pier.daemon.ending import LONGEST, Ending, cancel
from pier.daemon.notify import notify
from pier.daemon.registryaccess import host_and_port
from pier.errors import PierError, Unavailable
from pier.log import Logger
from pier.registry.deps import Registry
from pier.registry.http.app import App
from pier.registry.http.caller import caller_of
from pier.registry.http.health import Health
from pier.registry.http.server import Server, make_server
from pier.registry.http.tls import TLS
from pier.registry.periodic import Periodic

_log: Final = Logger("pier.registry")
_BACKLOG: Final = 1024


@dataclass(slots=True)
class Instance:
    """All of one process.

    ``working`` goes on until it is cancelled. ``reloads`` are called on SIGHUP, ``stops`` at the end, the last first.
    """

    registry: Registry
    app: App
    health: Health
    tls: TLS | None
    periodic: list[Periodic] = field(default_factory=list)
    working: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    reloads: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    stops: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


async def serve(instance: Instance, began: float) -> None:
    """Until SIGTERM or SIGINT. Raises Unavailable where an address is taken.

    However it ends: what goes on after that, the caller's part included, has :data:`LONGEST` seconds.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: _begin(working, _reload(instance), "reload"))
    settings = instance.registry.settings
    server = make_server(instance.app)
    figures = _figures_alone(instance.health)
    tls = instance.tls.context if instance.tls else None
    listening = [await _listen(address, server, tls) for address in settings.listen]
    if settings.metrics_listen:
        listening.append(await _listen(settings.metrics_listen, figures, None))
    for each in instance.periodic:
        _begin(working, each.run(), each.name)
    for work in instance.working:
        _begin(working, work(), work.__qualname__)
    ending = Ending()
    try:
        addresses = ",".join(_shown(each) for each in listening)
        _log.info("ready", addresses=addresses, tls=tls is not None, seconds=round(time.monotonic() - began, 3))
        notify("READY=1")
        await stop.wait()
        ending.within(settings.stop_wait + LONGEST)
        await _end(instance, listening, server)
        await figures.shutdown(0)
    finally:
        ending.within(LONGEST)
        await cancel(working)


def _begin(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None], name: str) -> None:
    """Among ``tasks`` while it goes on. Nobody waits for it: what ends it is told."""

    def ended(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("a part of the registry has ended", part=name, reason=repr(error))

    task = asyncio.create_task(work, name=name)
    tasks.add(task)
    task.add_done_callback(ended)


async def _end(instance: Instance, listening: Sequence[asyncio.Server], server: Server) -> None:
    """A second signal changes nothing: who is in a hurry sends SIGKILL, and loses nothing but time."""
    wait = instance.registry.settings.stop_wait
    _log.info("stopping", under_way=instance.app.metrics.under_way, wait=wait)
    notify("STOPPING=1")
    instance.health.stopping = True
    for each in listening:
        each.close()
    await server.drain(wait)


async def _reload(instance: Instance) -> None:
    for reload in instance.reloads:
        try:
            await reload()
        except PierError as error:
            _log.warning("a reload failed; what was loaded before holds", reason=error.message)
        except Exception:
            _log.exception("a reload failed; what was loaded before holds")
    _log.info("reloaded")


def _figures_alone(health: Health) -> web.Server:
    """A listener that knows health and figures only, for an address that clients do not reach."""
    pages = {"/metrics": health.show, "/healthz": health.alive, "/readyz": health.ready}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        page = pages.get(request.path)
        return await page(request, caller_of(request, ())) if page else web.Response(status=404)

    return web.Server(handle, access_log=None)


async def _listen(address: str, server: Server | web.Server, tls: ssl.SSLContext | None) -> asyncio.Server:
    host, port = host_and_port(address)
    try:
        return await asyncio.get_running_loop().create_server(server, host or None, port, ssl=tls, backlog=_BACKLOG)
    except OSError as error:
        raise Unavailable(f"can't listen on {address}: {error}") from error


def _shown(server: asyncio.Server) -> str:
    names = [each.getsockname() for each in server.sockets]
    return ",".join(f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}" for name in names)
