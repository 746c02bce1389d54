"""``export``: a container's whole file system as a tar, its volumes left out."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.treeview import layers_of
from pier.linux import treecopy


async def export(deps: Deps, reference: str) -> AsyncIterator[bytes]:
    """NotFound at once where there is no such container; the tar is made while it is read."""
    record = deps.registry.find(reference).record
    view = layers_of(deps, record)
    announce(deps, record, "export")
    return _tar(view)


async def _tar(view: treecopy.View) -> AsyncIterator[bytes]:
    async with aclosing(treecopy.pack(view)) as pieces:
        async for data in pieces:
            yield data
