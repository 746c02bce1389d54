"""Control groups of all three shapes: the unified tree (v2), one tree a controller (v1), and both at once (hybrid).

A *group* here is a path below the mount points, ``/pier/<id>``, the same in every tree. See cgroups(7) and the
kernel's admin-guide/cgroup-v2 and cgroup-v1. Everything is synchronous; only :func:`freeze`, :func:`warm` and
:func:`kill` can take milliseconds.
"""

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.linux.mount import Mount, mount
from pier.linux.process import pidfd_open, pidfd_signal

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_FREEZE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where the trees are mounted. ``version`` is 2 when only the unified tree is there, else 1.

    ``controllers`` maps each v1 controller (and ``name=systemd``) to its mount point; empty for version 2.
    """

    version: int
    unified: Path | None
    controllers: Mapping[str, Path]

    def directory(self, controller: str, group: str) -> Path:
        """The folder of ``group`` in the tree that ``controller`` is in; ``FileNotFoundError`` where no tree has it."""
        if self.version == 2 and self.unified is not None:
            return self.unified / group.lstrip("/")
        if controller not in self.controllers:
            raise FileNotFoundError(errno.ENOENT, "cgroup controller is not mounted", controller)
        return self.controllers[controller] / group.lstrip("/")

    def directories(self, group: str) -> list[Path]:
        """The folders of ``group`` in all trees, each once."""
        roots = set(self.controllers.values()) | ({self.unified} if self.unified else set())
        return [root / group.lstrip("/") for root in sorted(roots)]


def parse_mountinfo(text: str) -> Hierarchies:
    """Read the trees out of proc_pid_mountinfo(5). A tree mounted twice counts where it was mounted first."""
    unified: Path | None = None
    controllers: dict[str, Path] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        target = Path(before.split(" ")[4])
        if kind == "cgroup2":
            unified = unified or target
        elif kind == "cgroup":
            for option in options.split(","):
                controllers.setdefault(option, target)
    for noise in ("rw", "ro", "xattr", "clone_children", "cpuset_v2_mode", "noprefix", "favordynmods"):
        controllers.pop(noise, None)
    controllers = {name: path for name, path in controllers.items() if not name.startswith("release_agent=")}
    return Hierarchies(1 if controllers else 2, unified, controllers)


def detect() -> Hierarchies:
    """The trees of this host, as this process sees them."""
    return parse_mountinfo(_MOUNTINFO.read_text())


def leftovers(trees: Hierarchies) -> list[str]:
    """Controllers that a hybrid host has left in its unified tree: none of the v1 trees has them."""
    if trees.version == 2 or trees.unified is None:
        return []
    return (trees.unified / "cgroup.controllers").read_text().split()


def mount_leftovers(trees: Hierarchies) -> Hierarchies:
    """Mount what :func:`leftovers` finds as v1 trees beside the others, as Debian's cgroupfs-mount does.

    Returns the trees as they are then. ``OSError`` when one cannot be (a v2 group uses it).
    """
    missing = leftovers(trees)
    if not missing or trees.unified is None:
        return trees
    for controller in missing:
        name = {"io": "blkio"}.get(controller, controller)
        target = trees.unified.parent / name
        target.mkdir(exist_ok=True)
        try:
            mount(Mount("cgroup", "cgroup", target, (name,)))
        except OSError:
            target.rmdir()
            raise
    return detect()


def parse_membership(text: str) -> dict[str, str]:
    """Read /proc/PID/cgroup: controller (``""`` for the unified tree) to group."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = group
    return groups


def group_of(pid: int) -> str:
    """The group that holds ``pid``: of the devices tree on v1 (no one else puts processes there)."""
    groups = parse_membership(Path(f"/proc/{pid}/cgroup").read_text())
    return groups.get("devices", groups.get("", "/"))


def pids(trees: Hierarchies, group: str) -> list[int]:
    """All processes in ``group`` and below it; an absent group has none."""
    found: list[int] = []
    for folder, _, _ in os.walk(_process_tree(trees, group)):
        with contextlib.suppress(FileNotFoundError, OSError):
            found += map(int, Path(folder, "cgroup.procs").read_text().split())
    return found


def _process_tree(trees: Hierarchies, group: str) -> Path:
    for controller in ("devices", "freezer", "pids", "memory", "name=systemd"):
        if trees.version == 2 or controller in trees.controllers:
            return trees.directory(controller, group)
    return trees.directories(group)[0]


def freeze(trees: Hierarchies, group: str) -> None:
    """Stop every process of ``group``; returns when all stand still. ``TimeoutError`` after ten seconds."""
    if trees.version == 2:
        _write(trees.directory("", group) / "cgroup.freeze", "1")
        _await_frozen(trees.directory("", group) / "cgroup.events")
        return
    _freeze_v1(trees.directory("freezer", group) / "freezer.state", group)


def _freeze_v1(state: Path, group: str) -> None:
    """v1 announces nothing, forgets processes that are forked meanwhile unless it is told again, and can hang with
    one that waits for another (vfork) that is frozen already: then it is thawed for a moment."""
    deadline = time.monotonic() + _FREEZE_SECONDS
    attempt = 0
    _write(state, "FROZEN")
    while state.read_text().strip() != "FROZEN":
        attempt += 1
        if time.monotonic() > deadline:
            _write(state, "THAWED")
            raise TimeoutError(f"cgroup {group} does not freeze")
        if attempt % 25 == 0:
            _write(state, "THAWED")
            time.sleep(0.001)
        else:
            time.sleep(0.0002)
        _write(state, "FROZEN")


def _await_frozen(events: Path) -> None:
    """Wait until ``cgroup.events`` says ``frozen 1``: the kernel marks the file ready at each change."""
    deadline = time.monotonic() + _FREEZE_SECONDS
    with open(events, "rb", buffering=0) as file:
        poll = select.poll()
        poll.register(file, select.POLLPRI)
        while b"frozen 1" not in os.pread(file.fileno(), 4096, 0):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"cgroup {events.parent} does not freeze")
            poll.poll(left * 1000)


def thaw(trees: Hierarchies, group: str) -> None:
    """Undo :func:`freeze`."""
    if trees.version == 2:
        _write(trees.directory("", group) / "cgroup.freeze", "0")
    else:
        _write(trees.directory("freezer", group) / "freezer.state", "THAWED")


def frozen(trees: Hierarchies, group: str) -> bool:
    """Whether ``group`` itself was told to freeze."""
    try:
        if trees.version == 2:
            return (trees.directory("", group) / "cgroup.freeze").read_text().strip() == "1"
        return (trees.directory("freezer", group) / "freezer.state").read_text().strip() != "THAWED"
    except FileNotFoundError:
        return False


def signal_all(trees: Hierarchies, group: str, number: int) -> None:
    """Signal every process in ``group``; SIGKILL leaves none, however fast they fork."""
    if number == signal.SIGKILL and trees.version == 2:
        with contextlib.suppress(FileNotFoundError):
            _write(trees.directory("", group) / "cgroup.kill", "1")
        return
    signalled: set[int] = set()
    while fresh := set(pids(trees, group)) - signalled:
        for pid in fresh:
            _signal(pid, number)
        signalled |= fresh


def signal_session(trees: Hierarchies, group: str, session: int, number: int) -> None:
    """Signal the processes in ``group`` that belong to the session of that number."""
    signalled: set[int] = set()
    while fresh := {pid for pid in pids(trees, group) if _session(pid) == session} - signalled:
        for pid in fresh:
            _signal(pid, number)
        signalled |= fresh


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = pidfd_open(pid)
        try:
            pidfd_signal(descriptor, number)
        finally:
            os.close(descriptor)


def oom_kills(trees: Hierarchies, group: str) -> int:
    """How many processes the kernel has killed in ``group`` for want of memory; 0 when the group is gone."""
    name = "memory.events" if trees.version == 2 else "memory.oom_control"
    try:
        return read_pairs(trees.directory("memory", group) / name).get("oom_kill", 0)
    except FileNotFoundError:
        return 0


def read_pairs(path: Path) -> dict[str, int]:
    """A flat keyed file (``memory.stat``, ``cpu.stat``): words to numbers."""
    pairs = (line.split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in pairs if len(words) == 2}


def remove(trees: Hierarchies, group: str) -> None:
    """Remove ``group``, with the groups below it, from all trees; ``OSError`` EBUSY while processes are in it."""
    for directory in trees.directories(group):
        for folder in _deepest_first(directory):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(folder)


def remove_if_empty(trees: Hierarchies, group: str) -> None:
    """Remove ``group`` where it has neither processes nor groups; elsewhere it stays."""
    for directory in trees.directories(group):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _deepest_first(directory: Path) -> Iterator[str]:
    for folder, _, _ in os.walk(directory, topdown=False):
        yield folder


def move(trees: Hierarchies, pid: int, group: str, controller: str) -> None:
    """Put ``pid`` into ``group`` of one tree, making the group."""
    directory = trees.directory(controller, group) if controller else _unified(trees) / group.lstrip("/")
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / "cgroup.procs", str(pid))


def _unified(trees: Hierarchies) -> Path:
    if trees.unified is None:
        raise FileNotFoundError(errno.ENOENT, "no unified cgroup tree is mounted")
    return trees.unified


def warm(trees: Hierarchies, until: Callable[[], bool] = lambda: True, interval: float = 0.004) -> None:
    """Pay now, in this thread, for what the next process to be moved between groups would have to wait for.

    The first move after a quiet moment waits for an RCU grace period, about ten milliseconds, in which the
    kernel lets readers of ``cgroup_threadgroup_rwsem`` drain; the moves of the next ten or fifteen milliseconds
    do not wait. Moving ourselves to where we are is such a move, and changes nothing. It is repeated every
    ``interval`` seconds ``until`` says that it is enough.
    """
    with contextlib.suppress(OSError):  # only speed is lost
        descriptor = os.open(_own_processes(trees), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"%d" % os.getpid())
            while not until():
                time.sleep(interval)
                os.write(descriptor, b"%d" % os.getpid())
        finally:
            os.close(descriptor)


def _own_processes(trees: Hierarchies) -> Path:
    """``cgroup.procs`` of the group that we are in, in any tree."""
    own = parse_membership(Path("/proc/self/cgroup").read_text())
    for controller, root in (("", trees.unified), *trees.controllers.items()):
        if root is not None and controller in own:
            return root / own[controller].lstrip("/") / "cgroup.procs"
    raise FileNotFoundError(errno.ENOENT, "no cgroup tree is mounted")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
