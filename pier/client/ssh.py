"""``ssh://[USER@]HOST[:PORT][/SOCKET]``: a daemon on another host, by way of its ``system dial-stdio``.

``ssh`` itself does the talking: its configuration, agent, known hosts and prompts are the user's own.
"""

from __future__ import annotations

import os
from socket import socketpair

from pier.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%:+@\\")


class Host:
    """What comes after ``ssh://``. ``socket``: the daemon's, where it is not where it is by default."""

    __slots__ = ("name", "port", "socket", "user")

    def __init__(self, url: str) -> None:
        place, slash, path = url.removeprefix("ssh://").partition("/")
        self.user, _, address = place.rpartition("@")
        self.socket = slash + path if path else ""
        self.name, self.port = address, ""
        if address.startswith("["):
            self.name, _, rest = address[1:].partition("]")
            self.port = rest.removeprefix(":")
        elif address.count(":") == 1:
            self.name, _, self.port = address.partition(":")
        if not self.name or self.name.startswith("-") or not WORD.issuperset(self.name + self.user):
            raise InvalidArgument(f"unable to parse docker host `{url}`: expected ssh://[USER@]HOST[:PORT][/SOCKET]")
        if ":" in self.user:
            raise InvalidArgument(f"invalid ssh host {self.name}: a password does not belong in it, ssh asks for it")
        if self.port and not self.port.isdecimal():
            raise InvalidArgument(f"unable to parse docker host `{url}`: {self.port!r} is no port")

    def command(self) -> list[str]:
        words = ["ssh", "-T", "-o", "ConnectTimeout=30"]
        if self.user:
            words += ["-l", self.user]
        if self.port:
            words += ["-p", self.port]
        return [*words, "--", self.name, _remote(self.socket)]


def _remote(socket: str) -> str:
    """For the other side's shell, whichever it is. Where there is no pier, a docker does as well."""
    aim = f" -H {_quoted('unix://' + socket)}" if socket else ""
    dial = f"{aim} system dial-stdio"
    script = f"if command -v pier >/dev/null 2>&1; then exec pier{dial}; else exec docker{dial}; fi"
    return f"sh -c {_quoted(script)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def connect(host: Host) -> Socket:
    """A stream to the daemon. Raises Unavailable where there is no ssh; what else fails, ssh says on standard error.

    Ctrl-C is for us, not for ssh: it may have to carry the signal to a container.
    """
    from signal import SIGINT

    ours, theirs = socketpair()
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, theirs.fileno(), 1)]
    words = host.command()
    try:
        os.posix_spawnp(words[0], words, os.environ, file_actions=actions, setsigmask=[SIGINT])
    except OSError as error:
        ours.close()
        raise Unavailable(f"cannot run ssh to reach {host.name}: {error.strerror}") from error
    finally:
        theirs.close()
    return ours
