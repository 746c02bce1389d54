"""A shell where a step has failed (``error_shell``): its file system as it left it, its mounts and its environment."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from pier.build.deps import Deps
from pier.build.threads import in_thread
from pier.errors import Unsupported
from pier.linux.files import open_in_root
from pier.linux.process import run
from pier.runtime import bundle
from pier.runtime.runtime import AttachStream, Runtime, Stdio, Supervised

_TOOLS: Final = "/.pier/bin"


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell that runs, on a terminal."""

    runtime: Runtime
    container: Supervised
    stream: AttachStream

    async def resize(self, width: int, height: int) -> None:
        """In characters."""
        await self.runtime.resize(self.container, width, height)

    async def wait(self) -> int:
        """Its exit code."""
        return (await self.runtime.wait(self.container)).code


@dataclass(frozen=True, slots=True)
class FailedStep:
    """``name`` and ``error`` are the step's; ``folder`` is that of its bundle, ``root`` its file system."""

    deps: Deps
    name: str
    error: str
    id: str
    folder: Path
    root: Path

    @asynccontextmanager
    async def shell(self) -> AsyncIterator[Shell]:
        """``/bin/sh`` of the step's root; where it has none, one of the host's busybox, with its tools in the PATH.

        Unsupported where neither is there. It is killed at the end of the block.
        """
        runtime, id = self.deps.runtime, f"{self.id}-shell"
        place = self.folder / "shell"
        tools = None if _has_shell(self.root) else await _tool_box(self.folder / "tools")
        await in_thread(bundle.write, place, shell_spec(bundle.read(self.folder), tools))
        container = await runtime.create(id, place, Stdio(terminal=True, stdin=True))
        try:
            stream = await runtime.attach(container)
            try:
                await runtime.start(container)
                yield Shell(runtime, container, stream)
            finally:
                stream.close()
        finally:
            await runtime.delete(id, force=True)


@runtime_checkable
class ShellSession(Protocol):
    """A session whose client can show a shell."""

    async def failed_step(self, failed: FailedStep) -> None:
        """Called while the step's file system is still there; it goes when this returns."""


def shell_spec(step: dict[str, Any], tools: Path | None) -> dict[str, Any]:
    """The step's specification, with a shell on a terminal instead of its process."""
    process, linux = dict(step["process"]), dict(step["linux"])
    process |= {"terminal": True, "args": ["/bin/sh"], "env": [*process["env"], "TERM=xterm"]}
    linux["cgroupsPath"] += "-shell"
    mounts = list(step["mounts"])
    if tools is not None:
        process["args"] = [f"{_TOOLS}/sh"]
        process["env"] = [f"{text}:{_TOOLS}" if text.startswith("PATH=") else text for text in process["env"]]
        mounts.append({"destination": _TOOLS, "type": "bind", "source": str(tools), "options": ["bind", "ro"]})
    return {**step, "process": process, "linux": linux, "mounts": mounts}


def _has_shell(root: Path) -> bool:
    try:
        os.close(open_in_root(root, "/bin/sh", os.O_PATH))
    except OSError:
        return False
    return True


async def _tool_box(folder: Path) -> Path:
    program = shutil.which("busybox")
    if program is None:
        raise Unsupported("the failed step has no shell, and this host no busybox to lend it: install busybox-static")
    names = (await run([program, "--list"])).stdout.decode().split()
    await in_thread(_fill, folder, Path(program), names)
    return folder


def _fill(folder: Path, program: Path, names: list[str]) -> None:
    folder.mkdir(mode=0o755, exist_ok=True)
    shutil.copy(program, folder / "busybox")
    for name in names:
        if not (folder / name).exists():
            (folder / name).symlink_to("busybox")
