"""One build: what the engine is asked for, one thing after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from pier.errors import PierError
from pier.registry.builds import parts
from pier.registry.builds.choosing import tags, target
from pier.registry.builds.engine import Engine, Say, connected
from pier.registry.builds.payload import Push
from pier.registry.builds.tasks import Task
from pier.registry.deps import Registry
from pier.registry.settings import Build

_CLEANING: Final = 20.0


class Making:
    """``id`` is the run's. ``token`` makes what the engine shows us when it pushes."""

    def __init__(self, registry: Registry, rule: Build, id: str, token: Callable[[], str], say: Say) -> None:
        self._registry = registry
        self._rule = rule
        self._id = id
        self._token = token
        self._say = say
        self._target = target(rule, registry.settings)

    async def make(self, task: Task) -> list[str]:
        """Build and push; the image's names. In the engine it has none that was not there before.

        Raises BuildFailed, Unavailable.
        """
        found = tags(self._rule, Push(task.ref, task.commit))
        platforms = self._rule.platforms
        async with connected(self._rule.engine) as engine:
            if len(platforms) < 2:
                await self._push(engine, task, "".join(platforms), found)
            else:
                await self._push_all(engine, task, found)
        return [f"{self._target}:{tag}" for tag in found]

    async def _push_all(self, engine: Engine, task: Task, found: list[str]) -> None:
        """Each platform's image has a tag of its own until the index is there that names them."""
        made = {platform: f"build-{self._id}-{place}" for place, platform in enumerate(self._rule.platforms)}
        try:
            for platform, tag in made.items():
                self._say(f"Building for {platform}\n")
                await self._push(engine, task, platform, [tag])
            await parts.join(self._registry, self._rule, made, found)
        finally:
            await parts.forget(self._registry, self._rule, made.values())

    async def _push(self, engine: Engine, task: Task, platform: str, found: Sequence[str]) -> None:
        async with _named(engine, [f"{self._target}:{tag}" for tag in found]) as names:
            await engine.build(_query(self._rule, task, platform), names, self._say)
            for name in names:
                self._say(f"Pushing {name}\n")
                await engine.push(name, self._token(), self._say)


@asynccontextmanager
async def _named(engine: Engine, names: list[str]) -> AsyncIterator[list[str]]:
    """Within, the engine may have images of these names. Raises Unavailable."""
    ours = [name for name in names if not await engine.has(name)]
    try:
        yield names
    finally:
        with suppress(PierError, TimeoutError):
            async with asyncio.timeout(_CLEANING):
                for name in ours:
                    await engine.untag(name)


def _query(rule: Build, task: Task, platform: str) -> dict[str, str]:
    place = f":{rule.folder}" if rule.folder else ""
    query = {
        "remote": f"{rule.repository}#{task.commit or task.ref}{place}",
        "dockerfile": rule.dockerfile,
        "target": rule.target,
        "platform": platform,
        "buildargs": msgspec.json.encode(rule.args).decode() if rule.args else "",
        "pull": "1" if rule.pull else "",
        "rm": "1",
        "forcerm": "1",
    }
    return {name: value for name, value in query.items() if value}
