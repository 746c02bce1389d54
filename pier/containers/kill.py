"""``kill``: one signal to a container's first process."""

from pier.containers.deps import Deps


async def kill(deps: Deps, reference: str, signal: str = "KILL") -> None:
    """Send a signal by name (with or without ``SIG``) or number. Returns at once, for KILL when it has exited.

    InvalidArgument ``cannot kill container: x: invalid signal: FOO``, Conflict ``... is not running``.
    """
    raise AssertionError
