"""Descriptors that a peer hands over through a unix socket (SCM_RIGHTS in unix(7))."""

import asyncio
import fcntl
import os
import socket
import stat
from contextlib import suppress
from typing import Final

MOST: Final = 253  # SCM_MAX_FD
_O_PATH: Final = os.O_PATH


async def receive_byte(descriptor: int) -> tuple[bytes, list[int]]:
    """One byte of the stream socket ``descriptor`` and what came with it; no byte at the stream's end.

    Nobody else may read meanwhile. The descriptors received are the caller's to close.
    """
    with socket.socket(fileno=os.dup(descriptor)) as own:
        own.setblocking(False)
        await _readable(own.fileno())
        try:
            byte, received, _, _ = socket.recv_fds(own, 1, MOST)
        except ConnectionError:
            return b"", []
    for each in received:
        os.set_inheritable(each, False)
    return byte, received


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def is_folder(descriptor: int) -> bool:
    """Whether it is a folder that was opened for reading (and not only found, as with O_PATH)."""
    with suppress(OSError):
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        return stat.S_ISDIR(os.fstat(descriptor).st_mode) and not flags & _O_PATH
    return False
