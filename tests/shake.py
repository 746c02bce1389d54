"""Runs tests in which one process after the other stands still for a moment: what relies on who comes first shows.

    sudo .venv/bin/python -m tests.shake tests/compat/test_docker_cli_logs.py -x

The arguments are pytest's. A cgroup freezes pytest, a client, a daemon, a supervisor; a process notices that by nothing
but the time. It takes no processor from others. What runs in containers has cgroups of its own, and goes on.
"""

import os
import random
import sys
from contextlib import suppress
from pathlib import Path

from pier.linux import cgroup, process
from pier.linux.process import Child

BETWEEN = 0.08
STILL = 0.15
LONGEST = 1.2
"""Seconds: means of exponential distributions, and what one may stand still at most."""
ENTER = 'echo $$ >"$0" && exec "$@"'


class Shaking:
    """Two groups: those who go on, and whoever stands still."""

    def __init__(self) -> None:
        self._trees = cgroup.detect()
        self._tree = "" if self._trees.version == 2 else "freezer"
        self._all, self._still = (f"/pier-shake-{os.getpid()}{end}" for end in ("", "-still"))
        for group in (self._all, self._still):
            self._folder(group).mkdir()

    def _folder(self, group: str) -> Path:
        return self._trees.directory(self._tree, group)

    def _processes(self, group: str) -> list[int]:
        return [int(each) for each in (self._folder(group) / "cgroup.procs").read_text().split()]

    def begin(self, arguments: list[str]) -> Child:
        group = str(self._folder(self._all) / "cgroup.procs")
        argv = ["sh", "-c", ENTER, group, sys.executable, "-m", "pytest", *arguments]
        return process.spawn_sync(argv, stdout=sys.stdout, stderr=sys.stderr)

    def end(self) -> None:
        for group in (self._all, self._still):
            cgroup.remove_if_empty(self._trees, group)

    def hold(self, child: Child) -> None:
        """Let one of them stand still for a moment; any of them may end meanwhile."""
        with suppress(OSError, IndexError):
            cgroup.move(self._trees, random.choice(self._processes(self._all)), self._still, self._tree)
        try:
            cgroup.freeze(self._trees, self._still)
            with suppress(TimeoutError):
                child.wait_sync(min(LONGEST, random.expovariate(1 / STILL)))
        finally:
            cgroup.thaw(self._trees, self._still)
            while left := self._processes(self._still):
                for pid in left:
                    with suppress(OSError):
                        cgroup.move(self._trees, pid, self._all, self._tree)


def main() -> int:
    shaking = Shaking()
    child = shaking.begin(sys.argv[1:])
    try:
        while True:
            with suppress(TimeoutError):
                return child.wait_sync(random.expovariate(1 / BETWEEN))
            shaking.hold(child)
    except KeyboardInterrupt:  # pytest has heard it as well
        return child.wait_sync()
    finally:
        shaking.end()


if __name__ == "__main__":
    sys.exit(main())
