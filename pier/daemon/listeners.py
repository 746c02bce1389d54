"""The sockets that the daemon listens on: unix, TCP, and those that systemd hands over.

A unix socket is made beside its path and renamed onto it, so that a stale one is replaced and nobody
ever meets one with the wrong owner or mode.
"""

import grp
import os
import socket
import ssl
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pier.daemon.config import Config
from pier.errors import Conflict, InvalidArgument, Unavailable
from pier.log import Logger

_log = Logger("pier.daemon")
_FIRST_PASSED_FD = 3
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Listener:
    """One bound socket. ``path`` is the unix socket's own, to be removed at the end."""

    address: str
    socket: socket.socket
    tls: ssl.SSLContext | None = None
    path: Path | None = None

    def close(self) -> None:
        self.socket.close()
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()


def open_listeners(config: Config) -> list[Listener]:
    """Bind every address of ``--host``; all of them or, with an error, none."""
    opened: list[Listener] = []
    try:
        for host in config.hosts:
            opened += _open(host, config)
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


def _open(host: str, config: Config) -> list[Listener]:
    scheme, separator, rest = host.partition("://")
    openers: dict[str, Callable[[str, Config], list[Listener]]] = {"unix": _unix, "tcp": _tcp, "fd": _passed}
    if not separator or scheme not in openers:
        raise InvalidArgument(f"invalid bind address ({host}): expected unix://PATH, tcp://HOST:PORT or fd://")
    return openers[scheme](rest, config)


def _unix(text: str, config: Config) -> list[Listener]:
    path = Path(text or "/run/pier.sock")
    if not path.is_absolute():
        raise InvalidArgument(f"invalid bind address (unix://{text}): the path must be absolute")
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_taken(path)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        made.unlink()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(str(made))
        os.chown(made, 0, _group(config["group"]))
        made.chmod(0o660)
        server.listen(_BACKLOG)
        made.rename(path)
    except OSError as error:
        server.close()
        with suppress(OSError):
            made.unlink()
        raise Unavailable(f"can't create unix socket {path}: {error.strerror or error}") from error
    return [Listener(f"unix://{path}", server, path=path)]


def _refuse_taken(path: Path) -> None:
    """Raise Conflict where somebody listens at ``path``, or where what is there is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"can't create unix socket {path}: the path exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise Conflict(f"can't create unix socket {path}: another process listens there")


def _group(name: str) -> int:
    """The group's id: of ``name`` (or the number that it is), else of ``docker``, else root's."""
    if name.isdigit():
        return int(name)
    for each in (name, "docker"):
        with suppress(KeyError):
            return grp.getgrnam(each).gr_gid
    return 0


def _tcp(text: str, config: Config) -> list[Listener]:
    host, colon, port = text.rstrip("/").rpartition(":")
    if not colon or not port.isdigit():
        raise InvalidArgument(f"invalid bind address (tcp://{text}): expected HOST:PORT")
    tls = _tls(config)
    if tls is None and not config["allow-insecure-tcp"]:
        raise InvalidArgument(
            f"refusing to listen on tcp://{text} without TLS: whoever reaches that port is root on this host; "
            "use --tlsverify, or insist with --allow-insecure-tcp"
        )
    if tls is None:
        _log.warning("listening without TLS: whoever reaches this port is root on this host", address=f"tcp://{text}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"can't listen on tcp://{text}: {error}") from error
    return [Listener(f"tcp://{text}", server, tls)]


def _tls(config: Config) -> ssl.SSLContext | None:
    if not (config["tls"] or config["tlsverify"]):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config["tlscert"], config["tlskey"])
        if config["tlsverify"]:
            context.load_verify_locations(config["tlscacert"])
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        files = f"{config['tlscert']}, {config['tlskey']}, {config['tlscacert']}"
        raise InvalidArgument(f"cannot load the TLS files ({files}): {error}") from error
    return context


def _passed(text: str, config: Config) -> list[Listener]:
    """Sockets from systemd, sd_listen_fds(3): all of them, or the one whose number ``text`` is."""
    count = int(os.environ.get("LISTEN_FDS", "0")) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
    if count == 0:
        raise InvalidArgument("no sockets found via socket activation: make sure the service was started by systemd")
    numbers = range(_FIRST_PASSED_FD, _FIRST_PASSED_FD + count)
    if text.isdigit():
        numbers = range(int(text), int(text) + 1)
    return [Listener(f"fd://{number}", socket.socket(fileno=number)) for number in numbers]
