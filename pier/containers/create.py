"""``create``: from a request to a container that can be started."""

from dataclasses import dataclass

from pier.containers.config import CreateRequest
from pier.containers.deps import Deps
from pier.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Created:
    """The answer of ``create``: the new id, and sentences about what was asked and cannot be had."""

    id: str
    warnings: tuple[str, ...]


async def create(deps: Deps, name: str, request: CreateRequest, platform: Platform | None = None) -> Created:
    """Make a container; an empty ``name`` picks a random one. Leaves nothing behind on failure.

    Raises NotFound ``No such image: x:latest``, Conflict for a name in use, InvalidArgument for what is wrong
    in the request.
    """
    raise AssertionError
