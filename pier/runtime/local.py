"""The :class:`~pier.runtime.runtime.Runtime` of this host: conmon over crun or runc."""

import asyncio
import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

from pier.errors import Conflict, Internal, InvalidArgument
from pier.linux import cgroup
from pier.linux.cgroup_usage import Usage, read_usage
from pier.linux.process import pidfd_open_same, pidfd_signal, running, start_time
from pier.runtime import bundle as bundles
from pier.runtime import exits, foreground
from pier.runtime.attach import SocketStream, connect
from pier.runtime.conmon import Launch, Launched, LaunchError, Place, launch
from pier.runtime.failures import failure
from pier.runtime.filters import FilterStore
from pier.runtime.inputs import HeldInputs
from pier.runtime.program import Program
from pier.runtime.runtime import AttachStream, ExitResult, Output, Stdio, Supervised
from pier.runtime.warmth import Warmth

_RESIZE: Final = 1
_REOPEN_LOG: Final = 2
_KILLED: Final = 137


class LocalRuntime:
    """See the contract. ``run`` is a folder of the daemon's own on a tmpfs; ``supervisors`` the cgroup that
    supervisors are moved to, where they would otherwise end with the daemon's service."""

    def __init__(
        self, program: Program, conmon: Path, trees: cgroup.Hierarchies, run: Path, supervisors: str | None = None
    ) -> None:
        self.name = program.name
        self.path = program.path
        self.version = program.version
        self.trees = trees
        self._program = program
        self._conmon = conmon
        self._run = run
        self._supervisors = supervisors
        self._warmth = Warmth(trees)
        self._inputs = HeldInputs()
        self._filters = FilterStore(run / "seccomp", program.version) if program.name == "crun" else None

    def anticipate(self) -> None:
        self._warmth.extend()

    async def create(self, id: str, bundle: Path, stdio: Stdio) -> Supervised:
        self.anticipate()
        spec = bundles.read(bundle)
        uncompiled = self._use_filter(bundle, spec)
        mapped = _has_user_namespace(spec)
        program, options = self._program.command(stdio, foreign=mapped)
        wanted = Launch(self._conmon, program, options, id, bundle, stdio, tmp=self._run)
        try:
            launched = await launch(wanted, place=self._place())
        except LaunchError as error:
            await self.delete(id, force=True)
            raise self._failure("create", str(error), spec.get("process", {})) from error
        except asyncio.CancelledError:
            await asyncio.shield(self.delete(id, force=True))
            raise
        if uncompiled and self._filters:
            self._filters.keep(uncompiled, self._program.root / id / "seccomp.bpf")
        return self._supervised(launched, id, bundle, stdio, mapped=mapped)

    def _use_filter(self, bundle: Path, spec: dict[str, Any]) -> str | None:
        """Write the compiled filter into the bundle, or return the key of the one that will be compiled."""
        key = self._filters.key(spec) if self._filters else None
        if key is None or self._filters is None or not self._filters.annotate(spec, key):
            return key
        bundles.write_json(bundle / bundles.CONFIG, spec)
        return None

    def _failure(self, verb: str, said: str, process: dict[str, Any]) -> Exception:
        return failure(verb, self.name, said, process.get("args") or [])

    def _supervised(
        self,
        launched: Launched,
        id: str,
        directory: Path,
        stdio: Stdio,
        of: Supervised | None = None,
        exec_id: str = "",
        *,
        mapped: bool = False,
    ) -> Supervised:
        """The record of what was launched. What ended meanwhile has start time 0: ``wait`` finds its exit file."""
        supervised = Supervised(
            id=id,
            runtime=self.name,
            directory=str(directory),
            pid=launched.pid,
            pid_start=start_time(launched.pid) or 0,
            conmon_pid=launched.conmon_pid,
            conmon_start=start_time(launched.conmon_pid) or 0,
            cgroup=of.cgroup if of else cgroup.group_of(launched.pid),
            stdio=stdio,
            exec_id=exec_id or None,
            session=_session(launched.pid) if exec_id else 0,
            user_namespace=of.user_namespace if of else mapped,
        )
        self._inputs.hold(supervised)
        return supervised

    def _place(self) -> Place | None:
        if self._supervisors is None:
            return None
        group = self._supervisors

        async def place(pid: int) -> None:
            await asyncio.to_thread(_move_supervisor, self.trees, pid, group)

        return place

    async def run_foreground(self, id: str, bundle: Path, output: Output) -> ExitResult:
        self.anticipate()
        spec = bundles.read(bundle)
        uncompiled = self._use_filter(bundle, spec)
        keeping = asyncio.create_task(self._keep_filter(uncompiled, id, bundle)) if uncompiled else None
        try:
            code = await foreground.run(self._program, self.trees, id, bundle, spec["linux"]["cgroupsPath"], output)
        except foreground.NotRun as error:
            raise self._failure("run", str(error), spec["process"]) from error
        finally:
            if keeping is not None:
                keeping.cancel()
        limited = "limit" in spec["linux"]["resources"].get("memory", {})
        return ExitResult(code, code == _KILLED and limited, time.time_ns())

    async def _keep_filter(self, key: str, id: str, bundle: Path) -> None:
        store = self._filters
        if store is not None:
            await foreground.when_created(bundle, lambda: store.keep(key, self._program.root / id / "seccomp.bpf"))

    async def start(self, container: Supervised) -> None:
        await self._program.start(container.id)

    async def signal(self, container: Supervised, number: int, *, all: bool = False) -> None:
        if all and container.session:
            await asyncio.to_thread(cgroup.signal_session, self.trees, container.cgroup, container.session, number)
            return
        descriptor = pidfd_open_same(container.pid, container.pid_start)
        if descriptor is None:
            raise Conflict(f"Container {container.id} is not running")
        try:
            if all:
                await asyncio.to_thread(cgroup.signal_all, self.trees, container.cgroup, number)
            else:
                pidfd_signal(descriptor, number)
        except ProcessLookupError as error:
            raise Conflict(f"Container {container.id} is not running") from error
        finally:
            os.close(descriptor)

    async def pause(self, container: Supervised) -> None:
        try:
            await asyncio.to_thread(cgroup.freeze, self.trees, container.cgroup)
        except FileNotFoundError as error:
            raise Conflict(f"Container {container.id} is not running") from error
        except TimeoutError as error:
            raise Internal(f"Cannot pause container {container.id}: {error}") from error

    async def resume(self, container: Supervised) -> None:
        try:
            await asyncio.to_thread(cgroup.thaw, self.trees, container.cgroup)
        except FileNotFoundError as error:
            raise Conflict(f"Container {container.id} is not running") from error

    async def delete(self, id: str, *, force: bool = False) -> None:
        await self._program.delete(id, force=force)

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
        self.anticipate()
        os.makedirs(directory, mode=0o700)
        spec = directory / "process.json"
        bundles.write_json(spec, process)
        foreign = container.user_namespace or _is_foreign(process)
        program, options = self._program.command(stdio, foreign=foreign)
        wanted = Launch(
            self._conmon,
            program,
            options,
            container.id,
            directory,
            stdio,
            tmp=self._run,
            exec_id=exec_id,
            exec_spec=spec,
            attach=attach,
        )
        streams: list[AttachStream] = []

        def join() -> None:
            streams.append(SocketStream(connect(directory / "attach")))

        try:
            launched = await launch(wanted, place=self._place(), connect=join)
        except BaseException as error:
            for stream in streams:
                stream.close()
            shutil.rmtree(directory, ignore_errors=True)
            if isinstance(error, LaunchError):
                raise self._exec_failure(container, str(error), process) from error
            raise
        supervised = self._supervised(launched, container.id, directory, stdio, container, exec_id)
        return supervised, streams[0] if streams else None

    def _exec_failure(self, container: Supervised, said: str, process: dict[str, Any]) -> Exception:
        if not self.alive(container):
            return Conflict(f"Container {container.id} is not running")
        return self._failure("exec", said, process)

    async def attach(self, process: Supervised, *, stdin: bool = True) -> AttachStream:
        lingers = not stdin and process.stdio.stdin and process.stdio.stdin_once and not process.stdio.terminal
        try:
            stream = SocketStream(connect(process.attach_socket), lingers=lingers)
        except OSError as error:
            raise Conflict(f"Container {process.id} is not running") from error
        self._inputs.hold(process)
        return stream

    async def resize(self, process: Supervised, width: int, height: int) -> None:
        if not (0 <= width <= 65535 and 0 <= height <= 65535):
            raise InvalidArgument(f"invalid terminal size {width}x{height}")
        self._control(process, _RESIZE, height, width)

    async def reopen_log(self, process: Supervised) -> None:
        self._control(process, _REOPEN_LOG, 0, 0)

    def _control(self, process: Supervised, message: int, first: int, second: int) -> None:
        """Write a line into the supervisor's control fifo."""
        try:
            fifo = os.open(Path(process.directory, "ctl"), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:  # no fifo, or no one who reads it
            raise Conflict(f"Container {process.id} is not running") from error
        try:
            os.write(fifo, f"{message} {first} {second}\n".encode())
        finally:
            os.close(fifo)

    async def wait(self, process: Supervised) -> ExitResult:
        result = await exits.wait(process, self.trees)
        self._inputs.release(process)
        return result

    async def update(self, id: str, resources: dict[str, Any]) -> None:
        await self._program.update(id, resources)

    async def usage(self, container: Supervised) -> Usage:
        try:
            return await asyncio.to_thread(read_usage, self.trees, container.cgroup)
        except OSError as error:
            raise Conflict(f"Container {container.id} is not running") from error

    async def pids(self, container: Supervised) -> list[int]:
        return await asyncio.to_thread(cgroup.pids, self.trees, container.cgroup)

    def alive(self, process: Supervised) -> bool:
        return running(process.conmon_pid, process.conmon_start) and running(process.pid, process.pid_start)

    def known(self) -> list[str]:
        return self._program.known()

    async def close(self) -> None:
        """Give up descriptors; containers go on."""
        await self._warmth.close()
        self._inputs.close()
        self._program.close()


def _has_user_namespace(spec: dict[str, Any]) -> bool:
    return any(each.get("type") == "user" for each in spec.get("linux", {}).get("namespaces", ()))


def _is_foreign(process: dict[str, Any]) -> bool:
    user = process.get("user", {})
    return bool(user.get("uid") or user.get("gid"))


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _move_supervisor(trees: cgroup.Hierarchies, pid: int, group: str) -> None:
    """Out of the tree by which a service manager finds what belongs to the daemon's service."""
    with contextlib.suppress(OSError):  # it then ends with the service: what the user has without us
        cgroup.move(trees, pid, group, "name=systemd" if "name=systemd" in trees.controllers else "")
