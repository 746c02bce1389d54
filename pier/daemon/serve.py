"""The daemon's life: claim the roots, wire, recover, listen, serve, stop.

Containers are not touched at the end: they go on running, and the next daemon finds them.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import uvloop

from pier import log
from pier.api.app import make_server
from pier.api.server import Server
from pier.daemon import instance, reload
from pier.daemon.config import Config
from pier.daemon.ending import LONGEST, Ending
from pier.daemon.instance import Claim
from pier.daemon.listeners import Listener, open_listeners
from pier.daemon.notify import notify
from pier.daemon.wiring import Daemon, wire
from pier.linux import memory

_log = log.Logger("pier.daemon")
_THREADS = 16


def run(config: Config) -> None:
    """Serve until a signal says stop. Raises PierError when the daemon cannot start."""
    os.umask(0o022)
    memory.limit_arenas(2)
    _raise_file_limit()
    config.root.mkdir(mode=0o711, parents=True, exist_ok=True)
    config.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    claim = instance.claim(config.root, config.pidfile)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, claim))
    finally:
        config.pidfile.unlink(missing_ok=True)
        claim.release()


def _raise_file_limit() -> None:
    """Each container costs a few descriptors, each client one: never mind the shell's soft limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, claim: Claim) -> None:
    began = time.monotonic()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="worker"))
    stop = asyncio.Event()

    def leave() -> None:
        claim.leaving()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    ending = Ending()
    daemon = await wire(config)
    loop.add_signal_handler(signal.SIGHUP, reload.reload, daemon)
    try:
        await daemon.start()
        await _accept(config, daemon, stop, ending, began)
    finally:
        ending.within(LONGEST)
        await daemon.stop()


async def _accept(config: Config, daemon: Daemon, stop: asyncio.Event, ending: Ending, began: float) -> None:
    listeners = open_listeners(config)
    server = make_server(daemon.services)
    try:
        accepting = [await _listen(listener, server) for listener in listeners]
        _settle()
        _log.info(
            "ready", addresses=",".join(each.address for each in listeners), seconds=round(time.monotonic() - began, 3)
        )
        notify("READY=1")
        await stop.wait()
        patience = daemon.config["shutdown-timeout"]
        ending.within(2 * patience + LONGEST)  # the framework waits twice: for answers, and for what breaks them off
        _log.info("stopping; containers go on running")
        notify("STOPPING=1")
        for each in accepting:
            each.close()
        daemon.services.events.close()
        server.hang_up()
        await server.shutdown(patience)
    finally:
        for listener in listeners:
            listener.close()


async def _listen(listener: Listener, server: Server) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if listener.socket.family == socket.AF_UNIX:
        return await loop.create_unix_server(server, sock=listener.socket)
    return await loop.create_server(server, sock=listener.socket, ssl=listener.tls)


def _settle() -> None:
    """What start-up has made stays for good: keep the collector from walking it, and give the rest back."""
    gc.collect()
    gc.freeze()
    gc.enable()
    memory.trim()
