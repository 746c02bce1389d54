"""Network namespaces: make, pin at a path, run something inside, let go (namespaces(7)).

A namespace belongs to a thread. What enters one does so in a thread of its own, which ends in the
namespace that it began in, or ends altogether.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pier.linux.libc import check, libc
from pier.linux.userns import held

_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 0x1000
_MNT_DETACH: Final = 2
_OWN: Final = "/proc/thread-self/ns/net"


def pin_new(path: Path, owner: Path | None = None) -> None:
    """Make a network namespace and pin it at ``path``, which is created. OSError EEXIST where it is pinned.

    ``owner`` is a pinned user namespace that it is to belong to; else it is this process's.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o444))
    try:
        if owner is not None:
            _pin_owned(path, owner)
            return
        with _returning():
            check(libc.unshare(_CLONE_NEWNET))
            check(libc.mount(_OWN.encode(), os.fsencode(path), None, _MS_BIND, None), path)
    except BaseException:
        path.unlink()
        raise


def _pin_owned(path: Path, owner: Path) -> None:
    with held(["nsenter", f"--user={owner}", "unshare", "--net"]) as pid:
        check(libc.mount(f"/proc/{pid}/ns/net".encode(), os.fsencode(path), None, _MS_BIND, None), path)


def unpin(path: Path) -> None:
    """Undo :func:`pin_new`; the kernel destroys the namespace when its last process is gone. Idempotent."""
    while libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        pass
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def inside(path: Path) -> Iterator[int]:
    """Run the block's code in the namespace at ``path``: this thread's, so never the event loop's.

    Yields a descriptor of the namespace, good while the block runs. Sockets that are opened inside
    stay in that namespace afterwards.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _returning():
            check(libc.setns(descriptor, _CLONE_NEWNET), path)
            yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    """Come back to the namespace that the thread is in now."""
    if threading.current_thread() is threading.main_thread():
        raise RuntimeError("the main thread does not change its network namespace")
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            yield
        finally:
            check(libc.setns(home, _CLONE_NEWNET), _OWN)
    finally:
        os.close(home)
