"""The way to a daemon, and for root on a bare machine: starting one."""

from __future__ import annotations

import os
import time

from pier.cli.command import Failure
from pier.client.endpoint import DEFAULT, Endpoint, TLSFiles, from_environment
from pier.client.session import Client
from pier.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.client.endpoint import Transport

PATIENCE = 30.0
GRACE = 1.0
STEP = 0.02
LOG = "/var/log/pier/pierd.log"


class OwnEndpoint(Endpoint):
    """The default socket: when nobody listens there, root gets a daemon started and others get told."""

    __slots__ = ()

    def connect(self) -> Transport:
        try:
            return super().connect()
        except Unavailable as error:
            if os.geteuid() != 0:
                raise Unavailable(f"{error} Start it with: sudo pierd") from None
        start_daemon(self)
        return super().connect()


def client_for(options: dict[str, Any]) -> Client:
    """The daemon that the global flags and the environment mean. Raises InvalidArgument."""
    hosts = options.get("host") or []
    context = options.get("context", "default")
    if len(hosts) > 1:
        raise Failure("Specify only one -H")
    if context != "default":
        raise Failure(f'context "{context}": context not found: there is only "default"; use -H to name another daemon')
    endpoint = from_environment(hosts[0] if hosts else None, _tls(options))
    if endpoint.url == DEFAULT and not hosts:
        return Client(OwnEndpoint(DEFAULT))
    return Client(endpoint)


def existing_client(options: dict[str, Any]) -> Client:
    """As :func:`client_for`, and no daemon is started for it."""
    hosts = options.get("host") or []
    return Client(from_environment(hosts[0] if hosts else None))


def _tls(options: dict[str, Any]) -> TLSFiles | None:
    if not (options.get("tls") or options.get("tlsverify")):
        return None
    folder = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    return TLSFiles(
        options.get("tlscacert") or f"{folder}/ca.pem",
        options.get("tlscert") or f"{folder}/cert.pem",
        options.get("tlskey") or f"{folder}/key.pem",
        bool(options.get("tlsverify")),
    )


def start_daemon(endpoint: Endpoint) -> None:
    """Start ``pierd`` detached, with its default settings, and wait until it listens. Raises Unavailable."""
    program = _find_program()
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    began_at = os.path.getsize(LOG) if os.path.exists(LOG) else 0
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    shell = ["sh", "-c", 'cd / && exec "$0"', program]
    pid = os.posix_spawn("/bin/sh", shell, os.environ, file_actions=actions, setsid=True)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if _listens(endpoint):
            return
        if os.waitpid(pid, os.WNOHANG)[0]:
            if _listens_soon(endpoint):
                return
            raise Unavailable(f"The pier daemon could not start:\n{_tail(began_at)}(log: {LOG})")
        time.sleep(STEP)
    raise Unavailable(f"The pier daemon was started and does not answer at {endpoint.url} (log: {LOG})")


def _listens(endpoint: Endpoint) -> bool:
    try:
        Endpoint.connect(endpoint).close()
    except Unavailable:
        return False
    return True


def _listens_soon(endpoint: Endpoint) -> bool:
    """Ours ended: perhaps another ``pier`` started one at the same moment."""
    for _ in range(int(GRACE / STEP)):
        if _listens(endpoint):
            return True
        time.sleep(STEP)
    return False


def _find_program() -> str:
    checkout = os.path.join(
        os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bin", "pierd"
    )
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"]
    for path in [checkout, *(os.path.join(folder, "pierd") for folder in folders if folder)]:
        if os.access(path, os.X_OK):
            return path
    raise Unavailable("Cannot find pierd, the daemon: it is neither in this checkout's bin/ nor in PATH")


def _tail(offset: int) -> str:
    with open(LOG, encoding="utf-8", errors="replace") as log:
        log.seek(offset)
        return "".join(log.readlines()[-10:])
