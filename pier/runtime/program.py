"""The OCI runtime program (crun or runc): its command line, its state folder, its words for what went wrong.

See crun(1) and runc(8). Every command but ``create`` and ``exec`` is run from here; those two are run by the
supervisor (:mod:`pier.runtime.conmon`), which becomes the parent of what they make.
"""

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any, Final

from pier.errors import Conflict, Internal, NotFound, Unsupported
from pier.linux.process import run, run_sync
from pier.linux.sealed import sealed_copy
from pier.runtime.runtime import Stdio

_VERSION: Final = re.compile(rb"version (\S+)")
_TIMEOUT: Final = 60.0
_DEVICES_SPARED: Final = (1, 24)  # the first crun that leaves the owner of /dev/null alone


class Program:
    """One runtime program with one state folder, ``root``: containers of other daemons are invisible to it."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.name = path.name
        self.root = root
        self.version = _version(path)
        self._sealed: tuple[int, tuple[int, int, int]] | None = None

    def executable(self) -> str:
        """What to execute: a sealed copy of the program, made again when the file has changed.

        Both programs protect themselves from the containers they enter by running on from a copy of their own
        file, unless that is what they already are. Giving them one saves an exec, a millisecond, each time.
        """
        found = self.path.stat()
        identity = (found.st_dev, found.st_ino, found.st_mtime_ns)
        if self._sealed is None or self._sealed[1] != identity:
            self.close()
            self._sealed = (sealed_copy(self.path), identity)
        return f"/proc/{os.getpid()}/fd/{self._sealed[0]}"

    def close(self) -> None:
        """Give up the sealed copy. The next use makes another."""
        if self._sealed is not None:
            os.close(self._sealed[0])
            self._sealed = None

    def command(self, stdio: Stdio, *, foreign: bool) -> tuple[str, list[str]]:
        """What a supervisor is to execute for ``create`` and ``exec``, and the options before these words.

        ``foreign``: the process belongs to somebody else than the host's root. crun before 1.24 gives him the
        streams that it is started with; where they are the host's own ``/dev/null`` (the input that nobody feeds;
        the output before there is a terminal), that is his then, for the whole host. Others in their place cost
        a shell.
        """
        spares = self.name != "crun" or _numbers(self.version) >= _DEVICES_SPARED
        if spares or not foreign or (stdio.stdin and not stdio.terminal):
            return self.executable(), self.options()
        output = ">&2 " if stdio.terminal else ""
        return "/bin/sh", ["-c", f'exec "$0" "$@" {output}<<end\nend', self.executable(), *self.options()]

    def options(self) -> list[str]:
        """Options that stand before every command."""
        return ["--root", str(self.root)]

    async def start(self, id: str) -> None:
        """``Conflict`` when the container is not in the created state."""
        code, said = await self._run("start", id)
        if code != 0:
            raise Conflict(f"OCI runtime start failed: {said}: unknown")

    async def delete(self, id: str, *, force: bool) -> None:
        """Idempotent."""
        code, said = await self._run("delete", *(["--force"] if force else []), id)
        if code != 0 and (self.root / id).exists():
            raise Internal(f"OCI runtime delete failed: {said}: unknown")

    async def update(self, id: str, resources: dict[str, Any]) -> None:
        """Apply an OCI ``linux.resources`` object."""
        code, said = await self._run("update", "--resources", "-", id, stdin=json.dumps(resources).encode())
        if code != 0:
            raise Internal(f"Cannot update container {id}: OCI runtime update failed: {said}: unknown")

    def known(self) -> list[str]:
        """Containers that the state folder holds."""
        with contextlib.suppress(FileNotFoundError):
            entries = os.scandir(self.root)
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        return []

    async def _run(self, command: str, *words: str, stdin: bytes | None = None) -> tuple[int, str]:
        argv = [self.executable(), *self.options(), command, *words]
        try:
            finished = await run(argv, stdin=stdin, timeout=_TIMEOUT)
        except TimeoutError as error:
            raise Internal(f"OCI runtime {command} failed: {self.name} does not end") from error
        return finished.returncode, said(finished.stderr.decode(errors="replace"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version)[:2])


def _version(path: Path) -> str:
    try:
        finished = run_sync([path, "--version"], timeout=_TIMEOUT)
    except FileNotFoundError as error:
        raise NotFound(f"no such runtime: {path}") from error
    except (PermissionError, OSError, TimeoutError) as error:
        raise Unsupported(f"runtime {path} cannot be run: {error}") from error
    match = _VERSION.search(finished.stdout)
    if finished.returncode != 0 or match is None:
        raise Unsupported(f"runtime {path} does not run: {said(finished.stderr.decode(errors='replace'))}")
    return match[1].decode()


_RUNC_LINE: Final = re.compile(r'level=(?:error|fatal) msg="((?:[^"\\]|\\.)*)"')


def said(text: str) -> str:
    """The message in what a runtime wrote to standard error: crun's line, or the last of runc's ``msg="..."``."""
    if text.startswith('{"'):
        return _logged(text)
    messages = _RUNC_LINE.findall(text)
    if messages:
        return str(json.loads(f'"{messages[-1]}"'))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _logged(text: str) -> str:
    """The last message of a log file in JSON."""
    with contextlib.suppress(ValueError, KeyError, IndexError):
        return str(json.loads(text.splitlines()[-1])["msg"])
    return "no message"
