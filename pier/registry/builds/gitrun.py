"""Running git, or ssh: it ends with whoever waits for it, with this process, and where its folder becomes too large."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.errors import NoSpace
from pier.linux.files import used_bytes
from pier.linux.git import GitFailed
from pier.linux.pipes import Reader
from pier.linux.process import Child, contents, pidfd_wait, spawn
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.gitsaid import NO_ROOM
from pier.registry.storages.disk import check_room
from pier.registry.threads import settled

_TAIL: Final = 16 << 10
_LOOK_EVERY: Final = 0.2
_SHARE_OF_TIME: Final = 20
_SCRIPT: Final = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } & exec 3<&-; "$0" "$@"'
"""Nobody writes into its input, which ends when this process does, however that comes: then the whole group ends."""


@dataclass(frozen=True, slots=True)
class Git:
    """How it is called. ``folder`` is where it works; with all that is below it takes ``largest`` bytes at most.

    ``program``: what is called instead, in the same way.
    """

    environment: Mapping[str, str]
    folder: Path
    largest: int
    program: str = "git"

    async def __call__(self, *words: str) -> str:
        """Its output. Raises GitFailed; BuildFailed where it takes too much room, NoSpace where there is none."""
        output = os.memfd_create("git")
        errors = Reader()
        life, lifeline = os.pipe2(os.O_CLOEXEC)
        try:
            child = await spawn(
                ["/bin/sh", "-c", _SCRIPT, self.program, *words],
                stdin=life,
                stdout=output,
                stderr=errors.theirs,
                env=self.environment,
                cwd=self.folder,
                new_session=True,
            )
            errors.close_theirs()
            code, told = await self._see_through(child, errors)
            if code:
                raise GitFailed(code, told)
            return contents(output).decode(errors="surrogateescape").strip()
        finally:
            for descriptor in (output, life, lifeline):
                os.close(descriptor)
            errors.close_theirs()

    async def _see_through(self, child: Child, errors: Reader) -> tuple[int, str]:
        listening = asyncio.create_task(_tail(errors))
        ended = asyncio.create_task(pidfd_wait(child.pidfd))
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                watching.result()
        finally:
            watching.cancel()
            with suppress(ProcessLookupError):  # its children; it has not been reaped: the number is still its own
                os.killpg(child.pid, signal.SIGKILL)
            code, told, *_ = await settled(
                asyncio.gather(child.wait(), listening, asyncio.wait({ended, watching}))  # cancelled or not
            )
            if not watching.cancelled():
                watching.exception()
        return code, told.decode(errors="replace")

    async def _watch(self) -> None:
        """Raises BuildFailed, NoSpace."""
        while True:
            began = time.monotonic()
            await asyncio.to_thread(self.look)
            await asyncio.sleep(max(_LOOK_EVERY, (time.monotonic() - began) * _SHARE_OF_TIME))

    def look(self) -> None:
        """Raises BuildFailed, NoSpace. Blocks."""
        if used_bytes(self.folder) > self.largest:
            raise BuildFailed(f"the repository takes more than {self.largest} bytes here: git_size allows no more")
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check_room(descriptor, 0)
        except OSError as error:
            raise NoSpace(NO_ROOM) from error
        finally:
            os.close(descriptor)


async def _tail(errors: Reader) -> bytes:
    tail = b""
    async for chunk in errors.chunks():
        tail = (tail + chunk)[-_TAIL:]
    return tail
