"""``rename``."""

from pier.containers.announce import announce
from pier.containers.deps import Deps
from pier.containers.names import check_name
from pier.errors import Conflict, InvalidArgument


async def rename(deps: Deps, reference: str, new_name: str) -> None:
    """Give it another name. Conflict when that is in use, InvalidArgument when it is not a name."""
    if not reference or not new_name:
        raise InvalidArgument("Neither old nor new names may be empty")
    live = deps.registry.find(reference)
    async with live.lock:
        old = live.record.name
        if new_name.removeprefix("/") == old:
            raise InvalidArgument("Renaming a container with the same name as its current name")
        try:
            name = check_name("/" + new_name.removeprefix("/"))
            deps.registry.reserve(name, live.record.id)
        except (InvalidArgument, Conflict) as error:
            raise type(error)(f"Error when allocating new name: {error}") from error
        try:
            record = deps.registry.put(live, live.record.replace(name=name))
        except BaseException:
            deps.registry.release(name, live.record.id)
            raise
        deps.registry.release(old, record.id)
    announce(deps, record, "rename", oldName=f"/{old}")
