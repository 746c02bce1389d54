"""``resize``: the size of a container's terminal."""

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.state import check_alive
from pier.errors import InvalidArgument

_LARGEST = 65535


async def resize(deps: Deps, reference: str, height: int, width: int) -> None:
    """Tell the terminal its size in characters. Conflict when the container is not running."""
    check_size(height, width)
    live = deps.registry.find(reference)
    check_alive(live.record)
    assert live.record.supervised is not None
    if live.record.config.tty:
        await deps.runtime.resize(live.record.supervised, width, height)
    announce(deps, live.record, "resize", height=str(height), width=str(width))


def check_size(height: int, width: int) -> None:
    """InvalidArgument when the kernel's terminals cannot be of that size."""
    for name, value in (("height", height), ("width", width)):
        if not 0 <= value <= _LARGEST:
            raise InvalidArgument(f"invalid resize {name} {value}")
