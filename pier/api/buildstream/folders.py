"""The client's folders where they cannot be handed over: what changed of them is sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pier.api.buildstream.link import Link
from pier.api.buildstream.offers import OfferedFolder
from pier.build.deps import Deps
from pier.build.session import Folder
from pier.errors import Unsupported


@asynccontextmanager
async def streamed(
    link: Link, deps: Deps, offered: OfferedFolder, paths: tuple[str, ...], exclude: tuple[str, ...]
) -> AsyncIterator[Folder]:
    raise Unsupported(f"the folder {offered.name} can only be handed over through the engine's own unix socket")
    yield Folder(deps.root, offered.key)
