"""``stop``, ``restart``: asking a container to end, and insisting."""

from pier.containers.deps import Deps


async def stop(deps: Deps, reference: str, timeout: int | None = None, signal: str = "") -> None:
    """Send ``signal`` (default: the container's own, else SIGTERM), after ``timeout`` seconds SIGKILL.

    ``timeout`` None: the container's own, else 10; -1 waits for ever. NotModified when it is not running.
    Returns when the container is exited. It is not started again by its restart policy.
    """
    raise AssertionError


async def restart(deps: Deps, reference: str, timeout: int | None = None, signal: str = "") -> None:
    """Stop it when it runs, then start it."""
    raise AssertionError
