"""The end of every process: who watches it, and what follows. Also: what a new daemon finds."""

from pier.containers.deps import Deps


async def recover(deps: Deps) -> None:
    """At start-up: adopt the containers that run, deal with those that ended, undo what was half made.

    Call it after ``networks.start()``; it calls ``networks.recover``. Containers whose policy says so are
    started in the background.
    """
    raise AssertionError


async def close(deps: Deps) -> None:
    """At shutdown: stop watching, finish removals. Containers go on running."""
    raise AssertionError
