"""The build cache as ``buildx du`` and ``buildx prune`` see it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pier.api.buildkit.proto.control_pb2 import PruneRequest, UsageRecord

if TYPE_CHECKING:
    from pier.api.services import Services


async def usage(services: "Services", filters: Sequence[str]) -> list[UsageRecord]:
    return []


async def prune(services: "Services", request: PruneRequest) -> list[UsageRecord]:
    """Remove what the request's rules let go, and return it."""
    return []
