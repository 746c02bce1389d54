"""``--ssh``: agents that are lent to steps, and keys from files, which get an agent of their own.

A step may ask for the keys of an agent and have it sign; it cannot add, remove or lock anything.
"""

from __future__ import annotations

import os
import stat

from pier.cli.command import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket as sockets
    from collections.abc import Callable
    from typing import Any

EMPTY = "ERROR: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"

LIST = 11
SIGN = 13
REFUSED = b"\x00\x00\x00\x01\x05"
LONGEST = 256 << 10


def agent(text: str, ending: list[Callable[[], None]]) -> tuple[str, Callable[[], Any]]:
    """``default``, ``ID=SOCKET`` or ``ID=KEY[,KEY]``: the name, and what connects to the agent. Raises Failure.

    ``ending`` is given what has to be called at the end, whatever happens.
    """
    name, _, given = text.partition("=")
    given = given or os.environ.get("SSH_AUTH_SOCK", "")
    if not given:
        raise Failure(EMPTY)
    path, keys = _sorted(given.split(","))
    if keys:
        from pier.cli.build.keyagent import KeyAgent

        made = KeyAgent()
        ending.append(made.close)
        made.start()
        for key in keys:
            made.add(key)
        path = made.path
    return name or "default", lambda: lent(path)


def _sorted(paths: list[str]) -> tuple[str, list[str]]:
    """A socket, or the files of keys."""
    found, keys = "", []
    for path in paths:
        if found:
            raise Failure("ERROR: only single socket allowed")
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise Failure(f"ERROR: stat {path}: {(error.strerror or '').lower()}") from None
        if stat.S_ISSOCK(mode):
            found = path
        else:
            keys.append(path)
    if found and keys:
        raise Failure("ERROR: invalid combination of keys and sockets")
    return found, keys


def lent(path: str) -> sockets.socket:
    """A connection to the agent, on which it is asked nothing but what a step may ask."""
    import socket
    import threading

    agent = socket.socket(socket.AF_UNIX)
    try:
        agent.connect(path)
    except OSError:
        agent.close()
        raise
    ours, theirs = socket.socketpair()
    threading.Thread(target=_serve, args=(theirs, agent), daemon=True).start()
    return ours


def _serve(step: sockets.socket, agent: sockets.socket) -> None:
    with step, agent:
        try:
            while request := _message(step):
                if request[4] in (LIST, SIGN):
                    agent.sendall(request)
                    step.sendall(_message(agent) or REFUSED)
                else:
                    step.sendall(REFUSED)
        except OSError:
            pass


def _message(connection: sockets.socket) -> bytes:
    """One of the protocol's, with its length before it; empty at the end, and for one that is none."""
    head = _exactly(connection, 4)
    size = int.from_bytes(head, "big")
    body = _exactly(connection, size) if 0 < size <= LONGEST else b""
    return head + body if body else b""


def _exactly(connection: sockets.socket, size: int) -> bytes:
    """So many bytes, or none."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            return b""
        data += piece
    return bytes(data)
