"""Which OCI runtime program this host can run, found out once when the daemon starts."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pier.errors import Unsupported
from pier.linux import cgroup
from pier.log import Logger
from pier.runtime.local import LocalRuntime
from pier.runtime.program import Program

log = Logger("pier.runtime")

_PREFERENCE: Final = ("crun", "runc")
_SUPERVISOR_GROUP: Final = "/pier-supervisors"


async def select_runtime(
    preferred: str | None, *, run: Path, conmon: str = "conmon", extra: Mapping[str, Path] | None = None
) -> LocalRuntime:
    """The runtime called ``preferred`` (a name, a path, or a key of ``extra``), or the best there is.

    ``run`` is the daemon's folder for what does not outlive a reboot. On a hybrid cgroup host the controllers
    that are left in the unified tree are mounted as v1 trees, since crun refuses such a host; where that cannot
    be done runc is taken. ``Unsupported`` says what to install when there is none.
    """
    return await asyncio.to_thread(_select, preferred, run, conmon, extra or {})


def _select(preferred: str | None, run: Path, conmon: str, extra: Mapping[str, Path]) -> LocalRuntime:
    supervisor = shutil.which(conmon)
    if supervisor is None:
        raise Unsupported(f"{conmon} is not installed: it supervises containers; install the package conmon")
    trees = cgroup.detect()
    names = [preferred] if preferred else list(_PREFERENCE)
    reasons: list[str] = []
    for name in names:
        path = _find(name, extra)
        if path is None:
            reasons.append(f"{name} is not installed")
            continue
        if path.name == "crun":
            trees, reason = _without_leftovers(trees)
            if reason:
                reasons.append(reason)
                continue
        for reason in reasons:
            log.warning("runtime passed over", reason=reason, using=name)
        program = Program(path, run / "runtimes" / path.name)
        program.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalRuntime(program, Path(supervisor), trees, run, _supervisor_group(trees))
    raise Unsupported(f"no OCI runtime can be used: {'; '.join(reasons)}; install the package crun or runc")


def _find(name: str, extra: Mapping[str, Path]) -> Path | None:
    if name in extra:
        return extra[name]
    found = shutil.which(name)
    return Path(found) if found else None


def _without_leftovers(trees: cgroup.Hierarchies) -> tuple[cgroup.Hierarchies, str]:
    """The trees as crun takes them, or the reason why they are not."""
    left = cgroup.leftovers(trees)
    if not left:
        return trees, ""
    try:
        trees = cgroup.mount_leftovers(trees)
    except OSError as error:
        return (
            trees,
            f"crun refuses cgroup v2 controllers beside v1 ({', '.join(left)}), and mounting them failed: {error}",
        )
    log.info("cgroup controllers mounted as v1 trees", controllers=",".join(left))
    return trees, ""


def _supervisor_group(trees: cgroup.Hierarchies) -> str | None:
    """Where supervisors go so that stopping the daemon's service spares them; ``None`` outside of services."""
    groups = cgroup.parse_membership(Path("/proc/self/cgroup").read_text())
    service = groups.get("name=systemd", groups.get("", "/"))
    return None if service == "/" or os.getpid() == 1 else _SUPERVISOR_GROUP
