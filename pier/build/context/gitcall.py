"""Running git: what it says goes to the build's log; when it hangs, or is not wanted any more, all of it is killed."""

import asyncio
import os
import secrets
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pier.build.context.gitenv import MARK
from pier.build.steps.log import StepLog
from pier.errors import DeadlineExceeded, Unsupported
from pier.linux.git import SILENCE, GitFailed
from pier.linux.pipes import Reader
from pier.linux.process import Child, contents, pidfd_open, pidfd_signal, pidfd_wait, spawn

_TAIL: Final = 16 * 1024
_LOOKS: Final = 12
_BUSY: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_OWN: Final = secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Git:
    """How it is called. ``shown``: the repository in errors. ``silence``: seconds in which something must move."""

    environment: Mapping[str, str]
    log: StepLog
    shown: str
    silence: float = SILENCE * 1.25
    program: str = field(default="git")

    async def __call__(
        self, *words: str, cwd: Path | None = None, quiet: bool = False, env: Mapping[str, str] | None = None
    ) -> bytes:
        """Its output. ``env``: more variables. Raises GitFailed, DeadlineExceeded, Unsupported (there is no git)."""
        output = os.memfd_create("git")
        errors = Reader()
        try:
            child = await self._start(words, cwd, output, errors.theirs, env or {})
            errors.close_theirs()
            code, told = await self._see_through(child, errors, quiet)
            if code:
                raise GitFailed(code, told)
            return contents(output)
        finally:
            os.close(output)
            errors.close_theirs()

    async def _start(
        self, words: tuple[str, ...], cwd: Path | None, output: int, errors: int, extra: Mapping[str, str]
    ) -> Child:
        try:
            return await spawn(
                [self.program, *words],
                stdout=output,
                stderr=errors,
                env={**self.environment, **extra},
                cwd=cwd or "/",
                new_session=True,
            )
        except FileNotFoundError as error:
            raise Unsupported(
                f'cannot fetch {self.shown}: there is no git on the daemon\'s host; install the package "git"'
            ) from error

    async def _see_through(self, child: Child, errors: Reader, quiet: bool) -> tuple[int, str]:
        listening = asyncio.create_task(self._listen(errors, quiet))
        try:
            await self._end(child)
        finally:
            with suppress(ProcessLookupError):  # its children; it has not been reaped: the number is still its own
                os.killpg(child.pid, signal.SIGKILL)
            code = await _surely(child)
            told = await listening
        return code, told.decode("utf-8", "replace")

    async def _end(self, child: Child) -> None:
        """Return when it has ended. Raises DeadlineExceeded where it does nothing any more."""
        ended = asyncio.ensure_future(pidfd_wait(child.pidfd))
        try:
            seen, idle = _Effort(), 0
            while not ended.done():
                await asyncio.wait({ended}, timeout=self.silence / _LOOKS)
                now = await asyncio.to_thread(_effort, child.pid)
                idle = 0 if now.beyond(seen, self.silence / _LOOKS) else idle + 1
                seen = now
                if idle >= _LOOKS and not ended.done():
                    raise DeadlineExceeded(f"{self.shown}: the server does not answer: nothing came for {SILENCE} s")
        finally:
            ended.cancel()
            await asyncio.wait({ended})

    async def _listen(self, errors: Reader, quiet: bool) -> bytes:
        tail = b""
        async for chunk in errors.chunks():
            tail = (tail + chunk)[-_TAIL:]
            if not quiet:
                self.log(2, chunk)
        return tail


async def _surely(child: Child) -> int:
    """Wait for what has been killed, whatever happens."""
    waiting = asyncio.ensure_future(child.wait())
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        await asyncio.wait({waiting})
        raise


@dataclass(frozen=True, slots=True)
class _Effort:
    """What processes have moved, in bytes, and have computed, in seconds."""

    moved: int = 0
    computed: float = 0.0

    def beyond(self, before: "_Effort", seconds: float) -> bool:
        return self.moved != before.moved or self.computed - before.computed > seconds * _BUSY


def _effort(pid: int) -> _Effort:
    """Of a process and all below it: proc(5), ``io`` and ``stat``."""
    moved, ticks, pending = 0, 0, [pid]
    while pending:
        folder = Path(f"/proc/{pending.pop()}")
        with suppress(OSError):
            counts = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
            moved += int(counts["rchar"]) + int(counts["wchar"])
            ticks += sum(int(each) for each in (folder / "stat").read_text().rpartition(")")[2].split()[11:13])
            for children in folder.glob("task/*/children"):
                pending += [int(child) for child in children.read_text().split()]
    return _Effort(moved, ticks / _TICKS)


def mark_of(root: Path) -> str:
    """Tells the processes of this daemon's builds from those of one that was killed."""
    return f"{root}:{_OWN}"


def end_strays(root: Path) -> None:
    """Kill what a daemon that was killed has left running. Blocks: it looks at every process of the host."""
    if not (root / "git").is_dir():
        return
    prefix, own = f"{MARK}={root}:".encode(), f"{MARK}={mark_of(root)}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if _is_stray(folder, prefix, own):
                descriptor = pidfd_open(int(folder.name))
                try:
                    if _is_stray(folder, prefix, own):
                        pidfd_signal(descriptor, signal.SIGKILL)
                finally:
                    os.close(descriptor)


def _is_stray(folder: Path, prefix: bytes, own: bytes) -> bool:
    variables = (folder / "environ").read_bytes().split(b"\0")
    return any(each.startswith(prefix) for each in variables) and own not in variables
