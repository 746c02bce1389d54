"""Bringing a container up: root and network side by side, then the process. All of it, or nothing is left."""

import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final

from pier.containers.announce import announce
from pier.containers.attach import connect_pending, end_pending
from pier.containers.attachnet import Networked, join_networks
from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.healthstate import at_start
from pier.containers.mapped import UserSpace
from pier.containers.prepare import prepared
from pier.containers.registry import Live
from pier.containers.rootfs import Rooted, mount_root
from pier.containers.specplan import spec_plan
from pier.containers.stdio import stdio_of
from pier.containers.userns import user_space
from pier.errors import PierError
from pier.linux.trees import remove_tree
from pier.runtime import bundle
from pier.runtime.host import all_devices
from pier.runtime.runtime import Supervised
from pier.runtime.spec import build_spec

_NOT_FOUND: Final = ("executable file not found", "no such file or directory", "system cannot find the file specified")
_NOT_ALLOWED: Final = ("permission denied", "is a directory", "not a directory")


async def launch(deps: Deps, live: Live, *, by_policy: bool) -> None:
    """Start a container that is not running; its record is ``running`` on return. Under the lock.

    On failure everything is undone and the record keeps the error and the exit code that Docker gives it.
    """
    if live.teardown is not None:
        await live.teardown
    try:
        async with AsyncExitStack() as undo:
            sup, networked, now = await _bring_up(deps, live, undo)
            undo.pop_all()
    except BaseException as error:
        _record_failure(deps, live, str(error) or type(error).__name__)
        raise
    record = live.record.replace(
        supervised=sup,
        endpoints=networked.endpoints,
        stopped_by_user=False,
        restart_count=live.record.restart_count + 1 if by_policy else 0,
    )
    health = at_start(record.config, record.state.health)
    record = record.with_state(
        status="running", pid=sup.pid, exit_code=0, error="", oom_killed=False, started_at=now, health=health
    )
    deps.registry.put(live, record)
    if not by_policy:
        live.restart_delay = 0.0
    announce(deps, record, "start")


async def _bring_up(deps: Deps, live: Live, undo: AsyncExitStack) -> tuple[Supervised, Networked, int]:
    root_undo = undo.enter_context(ExitStack())
    space = await user_space(deps, live, root_undo)
    record = live.record
    placed = await asyncio.gather(
        asyncio.to_thread(mount_root, deps, record, space, root_undo),
        join_networks(deps, record, space.path if space else None, undo),
        return_exceptions=True,
    )
    rooted, networked = _both(*placed)
    sup = await _create(deps, record, rooted, networked, space, undo)
    await connect_pending(deps, live, sup)
    now = time.time_ns()
    try:
        await deps.runtime.start(sup)
    except PierError as error:
        raise type(error)(f"failed to start task for container: {error}") from error
    return sup, networked, now


def _both(rooted: Rooted | BaseException, networked: Networked | BaseException) -> tuple[Rooted, Networked]:
    """Only once neither is under way any more can what they did be undone."""
    if isinstance(rooted, BaseException):
        raise rooted
    if isinstance(networked, BaseException):
        raise networked
    return rooted, networked


async def _create(
    deps: Deps, record: Container, rooted: Rooted, networked: Networked, space: UserSpace | None, undo: AsyncExitStack
) -> Supervised:
    made = prepared(deps, record, rooted, networked, space)
    host = deps.host
    if record.host_config.privileged:
        host = dataclasses.replace(host, devices=tuple(all_devices(Path("/dev"))))
    folder = deps.run_folder(record.id)
    undo.callback(remove_tree, folder)
    bundle.write(folder, build_spec(spec_plan(record, made), host))
    try:
        sup = await deps.runtime.create(record.id, folder, stdio_of(deps, record))
    except PierError as error:
        raise type(error)(f"failed to create task for container: {error}") from error
    undo.push_async_callback(deps.runtime.delete, record.id, force=True)
    return sup


def _record_failure(deps: Deps, live: Live, text: str) -> None:
    code = 128
    if any(words in text for words in _NOT_FOUND):
        code = 127
    elif any(words in text for words in _NOT_ALLOWED):
        code = 126
    status = "exited" if live.record.state.started_at else "created"
    deps.registry.put(live, live.record.with_state(status=status, pid=0, exit_code=code, error=text))
    end_pending(live)
