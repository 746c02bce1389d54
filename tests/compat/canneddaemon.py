"""A daemon that answers every request with the same stream of messages: what a client makes of it is the question."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.50\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def canned_daemon(path: Path, messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Listen on ``path``; yields the address for ``-H``."""
    body = "".join(f"{json.dumps(message)}\r\n" for message in messages).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        threads: list[threading.Thread] = []
        accepting = threading.Thread(target=_accept, args=(listener, head.encode() + body, threads))
        accepting.start()
        try:
            yield f"unix://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in [accepting, *threads]:
                thread.join()


def _accept(listener: socket.socket, answer: bytes, threads: list[threading.Thread]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threads.append(threading.Thread(target=_serve, args=(connection, answer)))
            threads[-1].start()


def _serve(connection: socket.socket, answer: bytes) -> None:
    with connection, connection.makefile("rb") as lines, suppress(OSError):
        while request := lines.readline():
            while lines.readline().strip():
                pass
            connection.sendall(_PING if b"_ping" in request else answer)
