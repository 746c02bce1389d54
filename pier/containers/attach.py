"""``attach``: a client at a container's standard streams."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from pier.containers.deps import Deps

STDOUT = 1
STDERR = 2


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """``logs`` replays what was written so far, ``stream`` goes on with what is written from now on."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    logs: bool = False
    stream: bool = False
    detach_keys: str = ""


class Attachment(Protocol):
    """The client's end. Iterate for output, ``(1 | 2, bytes)``; with a ``tty`` everything is stream 1 and raw.

    The iteration ends when the process has ended and every byte was given, or on detach. ``close`` in any case.
    """

    tty: bool

    def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]: ...

    async def write(self, data: bytes) -> None:
        """Send to standard input. Once the detach keys were typed (tty only) the iteration ends."""

    async def close_stdin(self) -> None:
        """The client has sent everything: the process reads end-of-file (when StdinOnce says so)."""

    async def close(self) -> None:
        """Let go; the container goes on. A second time is no error."""


async def attach(deps: Deps, reference: str, options: AttachOptions) -> Attachment:
    """Attach; from the return on no byte of output is missed, also of a container that is started only later.

    Conflict when the container is paused (``You cannot attach to a paused container, unpause it first``).
    """
    raise AssertionError
