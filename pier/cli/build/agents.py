"""``--ssh``: agents whose socket is lent to steps."""

from __future__ import annotations

import os
import stat

from pier.cli.command import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

EMPTY = "ERROR: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"


def agent(text: str) -> tuple[str, Callable[[], Any]]:
    """``default`` or ``ID=SOCKET``: the name, and what connects to it. Raises Failure."""
    name, _, path = text.partition("=")
    path = path or os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise Failure(EMPTY)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise Failure(f"ERROR: stat {path}: {(error.strerror or '').lower()}") from None
    if not stat.S_ISSOCK(mode):
        raise Failure(f"ERROR: {path} is a key: add it to an agent (ssh-add {path}), and give --ssh {name}")

    def connect() -> Any:
        from _socket import AF_UNIX, SOCK_STREAM
        from _socket import socket as Socket

        connection = Socket(AF_UNIX, SOCK_STREAM)
        connection.connect(path)
        return connection

    return name or "default", connect
