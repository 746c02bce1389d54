"""``update``: limits and restart policy of a container that exists, running or not."""

from collections.abc import Mapping
from typing import Any

from pier.containers.deps import Deps


async def update(deps: Deps, reference: str, body: Mapping[str, Any]) -> list[str]:
    """Apply the members of HostConfig that ``body`` has (resources, RestartPolicy); returns warnings."""
    raise AssertionError
