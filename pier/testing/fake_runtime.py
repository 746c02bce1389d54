"""A runtime without containers.

It runs a few programs of its own (``true false echo cat sleep sh -c "exit N"``) as coroutines. What "the
kernel" knows is a :class:`FakeHost`; runtimes over the same host are daemons that come and go.
"""

import asyncio
import contextlib
import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pier.errors import Conflict, InvalidArgument
from pier.linux.cgroup_usage import Memory, Processor, Usage
from pier.logs.lines import stamp
from pier.runtime.runtime import STDOUT, AttachStream, ExitResult, Output, Stdio, Supervised

_PROGRAMS = frozenset({"true", "false", "echo", "cat", "sleep", "sh"})


@dataclass
class FakeProcess:
    """One process of the fake host."""

    supervised: Supervised
    args: list[str]
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    result: ExitResult | None = None
    clients: list["FakeStream"] = field(default_factory=list)
    stdin: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    size: tuple[int, int] | None = None
    signals: list[int] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    def output(self, stream: int, data: bytes) -> None:
        """What the program writes: to the log, and to every client."""
        if self.supervised.stdio.log_path:
            name = b"stdout" if stream == STDOUT else b"stderr"
            with open(self.supervised.stdio.log_path, "ab") as log:
                for line in data.splitlines(keepends=True):
                    tag = b"F" if line.endswith(b"\n") else b"P"
                    log.write(b"%b+00:00 %b %b %b\n" % (stamp(time.time_ns()), name, tag, line.rstrip(b"\n")))
        for client in self.clients:
            client.received.put_nowait((stream, data))

    def launch(self) -> None:
        """Let it wait for its start, run, and end."""
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _: self.end(128 + signal.SIGKILL))

    async def _run(self) -> None:
        await self.started.wait()
        self.end(await self._program())

    async def _program(self) -> int:
        name, *words = self.args
        if name == "echo":
            self.output(STDOUT, " ".join(words).encode() + b"\n")
        elif name == "cat":
            while data := await self.stdin.get():
                self.output(STDOUT, data)
        elif name == "sleep":
            await asyncio.sleep(float(words[0]))
        elif name == "sh":
            return int(words[-1].split()[-1])
        return 1 if name == "false" else 0

    def end(self, code: int, *, oom_killed: bool = False) -> None:
        """End with ``code``; a second time is ignored."""
        if self.result is None:
            self.result = ExitResult(code, oom_killed, time.time_ns())
            self.ended.set()
            for client in self.clients:
                client.received.put_nowait(None)


class FakeStream:
    """A client of a fake process."""

    def __init__(self, process: FakeProcess, gives_input: bool) -> None:
        self.received: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._process = process
        self._gives_input = gives_input
        process.clients.append(self)

    async def read(self) -> tuple[int, bytes] | None:
        """See the contract."""
        item = await self.received.get()
        if item is None:
            self.received.put_nowait(None)
        return item

    async def write(self, data: bytes) -> None:
        """See the contract."""
        if data and self._process.supervised.stdio.stdin:
            self._process.stdin.put_nowait(data)

    def close_stdin(self) -> None:
        """See the contract."""
        stdio = self._process.supervised.stdio
        if stdio.stdin and stdio.stdin_once and not stdio.terminal:
            self._process.stdin.put_nowait(b"")

    def close(self) -> None:
        """See the contract."""
        if self in self._process.clients:
            self._process.clients.remove(self)
            self.received.put_nowait(None)
            if self._gives_input:
                self.close_stdin()


class FakeHost:
    """Containers and execs by ``(id, exec id or None)``, and what was asked of them."""

    def __init__(self) -> None:
        self.processes: dict[tuple[str, str | None], FakeProcess] = {}
        self.deleted: set[str] = set()
        self.paused: set[str] = set()
        self.usage: dict[str, Usage] = {}
        self.updates: dict[str, dict[str, Any]] = {}
        self.pids = 1000


class FakeRuntime:
    """A :class:`~pier.runtime.runtime.Runtime` over a fake host."""

    name = "fake"
    path = Path("/nowhere/fake")
    version = "1.0"

    def __init__(self, host: FakeHost | None = None) -> None:
        self.host = host or FakeHost()

    def anticipate(self) -> None:
        """Nothing is slow here."""

    async def create(self, id: str, bundle: Path, stdio: Stdio) -> Supervised:
        process = json.loads((bundle / "config.json").read_text())["process"]
        return self._make(id, None, list(process["args"]), stdio, bundle, "create").supervised

    def _make(
        self, id: str, exec_id: str | None, args: list[str], stdio: Stdio, directory: Path, verb: str
    ) -> FakeProcess:
        if args[0] not in _PROGRAMS:
            raise InvalidArgument(
                f"OCI runtime {verb} failed: fake {verb} failed: unable to start container process: "
                f'exec: "{args[0]}": executable file not found in $PATH: unknown'
            )
        self.host.pids += 2
        pid = self.host.pids
        supervised = Supervised(
            id=id,
            runtime=self.name,
            directory=str(directory),
            pid=pid,
            pid_start=pid,
            conmon_pid=pid + 1,
            conmon_start=pid,
            cgroup=f"/fake/{id}",
            stdio=stdio,
            exec_id=exec_id,
        )
        process = FakeProcess(supervised, args)
        process.launch()
        self.host.processes[id, exec_id] = process
        self.host.deleted.discard(id)
        return process

    def process(self, supervised: Supervised) -> FakeProcess:
        """The process behind a record; ``Conflict`` when there is none."""
        process = self.host.processes.get((supervised.id, supervised.exec_id))
        if process is None or process.supervised.pid != supervised.pid:
            raise Conflict(f"Container {supervised.id} is not running")
        return process

    def _running(self, supervised: Supervised) -> FakeProcess:
        process = self.process(supervised)
        if process.result is not None:
            raise Conflict(f"Container {supervised.id} is not running")
        return process

    async def run_foreground(self, id: str, bundle: Path, output: Output) -> ExitResult:
        container = await self.create(id, bundle, Stdio())
        stream = await self.attach(container)
        try:
            await self.start(container)
            while piece := await stream.read():
                output(*piece)
            return await self.wait(container)
        finally:
            await self.delete(id, force=True)

    async def start(self, container: Supervised) -> None:
        process = self._running(container)
        if process.started.is_set():
            raise Conflict(f"OCI runtime start failed: cannot start container {container.id}: unknown")
        process.started.set()

    async def signal(self, container: Supervised, number: int, *, all: bool = False) -> None:
        process = self._running(container)
        process.signals.append(number)
        if number == signal.SIGKILL and process.task is not None:
            process.started.set()
            process.task.cancel()

    async def pause(self, container: Supervised) -> None:
        self.host.paused.add(self._running(container).supervised.id)

    async def resume(self, container: Supervised) -> None:
        self.host.paused.discard(self._running(container).supervised.id)

    async def delete(self, id: str, *, force: bool = False) -> None:
        process = self.host.processes.get((id, None))
        if process is not None and force and process.result is None and process.task is not None:
            process.task.cancel()
            await process.ended.wait()
        self.host.deleted.add(id)

    async def exec(
        self,
        container: Supervised,
        exec_id: str,
        process: dict[str, Any],
        stdio: Stdio,
        directory: Path,
        *,
        attach: bool = True,
    ) -> tuple[Supervised, AttachStream | None]:
        self._running(container)
        made = self._make(container.id, exec_id, list(process["args"]), stdio, directory, "exec")
        stream = FakeStream(made, True) if attach else None
        made.started.set()
        return made.supervised, stream

    async def attach(self, process: Supervised, *, stdin: bool = True) -> AttachStream:
        return FakeStream(self._running(process), stdin)

    async def resize(self, process: Supervised, width: int, height: int) -> None:
        self._running(process).size = (width, height)

    async def wait(self, process: Supervised) -> ExitResult:
        with contextlib.suppress(Conflict):
            found = self.process(process)
            await found.ended.wait()
            if found.result is not None:
                return found.result
        return ExitResult(255, False, time.time_ns())

    async def update(self, id: str, resources: dict[str, Any]) -> None:
        self.host.updates[id] = resources

    async def usage(self, container: Supervised) -> Usage:
        self._running(container)
        return self.host.usage.get(container.id, Usage(2, Processor(), Memory(), 1, None))

    async def pids(self, container: Supervised) -> list[int]:
        found = self.host.processes.values()
        return [each.supervised.pid for each in found if each.supervised.id == container.id and each.result is None]

    def alive(self, process: Supervised) -> bool:
        found = self.host.processes.get((process.id, process.exec_id))
        return found is not None and found.supervised.pid == process.pid and found.result is None

    async def reopen_log(self, process: Supervised) -> None:
        self._running(process)

    def known(self) -> list[str]:
        return sorted(id for id, exec_id in self.host.processes if exec_id is None and id not in self.host.deleted)

    async def close(self) -> None:
        """Containers go on."""
