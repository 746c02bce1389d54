"""One build: what the engine is asked for, one thing after the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from pier.errors import PierError
from pier.registry.builds import parts
from pier.registry.builds.archive import archive
from pier.registry.builds.checkout import Checkout, checked_out
from pier.registry.builds.choosing import tags, target
from pier.registry.builds.credentials import bases_header
from pier.registry.builds.engine import Engine, Say, connected
from pier.registry.builds.enginessh import reached
from pier.registry.builds.gitconfig import fetched_here
from pier.registry.builds.payload import Push
from pier.registry.builds.tasks import Task
from pier.registry.builds.tokens import Tokens
from pier.registry.deps import Registry
from pier.registry.settings import Build
from pier.registry.threads import hop

_CLEANING: Final = 20.0


class Making:
    """``id`` is the run's. ``tokens`` makes what the engine shows us when it pulls and pushes."""

    def __init__(self, registry: Registry, rule: Build, id: str, tokens: Tokens, say: Say) -> None:
        self._registry = registry
        self._rule = rule
        self._id = id
        self._tokens = tokens
        self._say = say
        self._target = target(rule, registry.settings)

    async def make(self, task: Task) -> list[str]:
        """Build and push; the image's names. In the engine it has none that was not there before.

        Raises BuildFailed, Unavailable, NoSpace.
        """
        found = tags(self._rule, Push(task.ref, task.commit))
        platforms, root = self._rule.platforms, Path(self._registry.settings.root)
        async with AsyncExitStack() as stack:
            source = _Source(task)
            if fetched_here(self._rule):
                self._say(f"Fetching {task.commit or task.ref} of {self._rule.repository}\n")
                source = _Source(task, await stack.enter_async_context(checked_out(root, self._rule, task, self._say)))
            address = await stack.enter_async_context(reached(root, self._rule))
            engine = await stack.enter_async_context(connected(self._rule, address))
            if len(platforms) < 2:
                await self._push(engine, source, "".join(platforms), found)
            else:
                await self._push_all(engine, source, found)
        return [f"{self._target}:{tag}" for tag in found]

    async def _push_all(self, engine: Engine, source: "_Source", found: list[str]) -> None:
        """Each platform's image has a tag of its own until the index is there that names them."""
        made = {platform: f"build-{self._id}-{place}" for place, platform in enumerate(self._rule.platforms)}
        try:
            for platform, tag in made.items():
                self._say(f"Building for {platform}\n")
                await self._push(engine, source, platform, [tag])
            await parts.join(self._registry, self._rule, made, found)
        finally:
            await parts.forget(self._registry, self._rule, made.values())

    async def _push(self, engine: Engine, source: "_Source", platform: str, found: Sequence[str]) -> None:
        bases = await hop(None, bases_header, self._rule, self._registry.settings, self._tokens.pull(self._rule))
        async with _named(engine, [f"{self._target}:{tag}" for tag in found]) as names:
            query = _query(self._rule, platform) | source.query(self._rule)
            await engine.build(query, names, bases, source.context(), self._say)
            for name in names:
                self._say(f"Pushing {name}\n")
                await engine.push(name, self._tokens.push(self._rule), self._say)


@dataclass(frozen=True, slots=True)
class _Source:
    """What is built: a commit that the engine fetches, or the one that was fetched here."""

    task: Task
    checkout: Checkout | None = None

    def query(self, rule: Build) -> dict[str, str]:
        if self.checkout is not None:
            return {}
        place = f":{rule.folder}" if rule.folder else ""
        return {"remote": f"{rule.repository}#{self.task.commit or self.task.ref}{place}"}

    def context(self) -> AsyncIterator[bytes] | None:
        if self.checkout is None:
            return None
        return archive(self.checkout.folder, self.checkout.time, self.checkout.ignored)


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


def _query(rule: Build, platform: str) -> dict[str, str]:
    query = {
        "dockerfile": rule.dockerfile,
        "target": rule.target,
        "platform": platform,
        "buildargs": msgspec.json.encode(rule.args).decode() if rule.args else "",
        "pull": "1" if rule.pull else "",
        "rm": "1",
        "forcerm": "1",
    }
    return {name: value for name, value in query.items() if value}
