"""One build: what the engine is asked for, one thing after the other."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from pier.errors import PierError
from pier.registry.builds.choosing import tags, target
from pier.registry.builds.engine import Engine, Say, connected
from pier.registry.builds.payload import Push
from pier.registry.builds.tasks import Task
from pier.registry.settings import Build, Settings

_CLEANING: Final = 20.0


async def make(rule: Build, task: Task, settings: Settings, token: Callable[[], str], say: Say) -> list[str]:
    """Build and push; the image's names. In the engine it has none of them afterwards, unless they were there before.

    Raises BuildFailed, Unavailable.
    """
    names = [f"{target(rule, settings)}:{tag}" for tag in tags(rule, Push(task.ref, task.commit))]
    async with connected(rule.engine) as engine:
        ours = [name for name in names if not await engine.has(name)]
        try:
            await engine.build(_query(rule, task), names, say)
            for name in names:
                say(f"Pushing {name}\n")
                await engine.push(name, token(), say)
        finally:
            await _untag(engine, ours)
    return names


async def _untag(engine: Engine, names: list[str]) -> None:
    with suppress(PierError, TimeoutError):
        async with asyncio.timeout(_CLEANING):
            for name in names:
                await engine.untag(name)


def _query(rule: Build, task: Task) -> dict[str, str]:
    place = f":{rule.folder}" if rule.folder else ""
    query = {
        "remote": f"{rule.repository}#{task.commit or task.ref}{place}",
        "dockerfile": rule.dockerfile,
        "target": rule.target,
        "platform": rule.platform,
        "buildargs": msgspec.json.encode(rule.args).decode() if rule.args else "",
        "pull": "1" if rule.pull else "",
        "rm": "1",
        "forcerm": "1",
    }
    return {name: value for name, value in query.items() if value}
