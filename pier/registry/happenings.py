"""What happened to a repository, for those who want to know: webhooks, replication, the audit log.

The verbs tell each observer in turn after the transaction and before the answer; what an observer raises is logged and
changes nothing for the client.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pier.log import Logger
from pier.oci.digest import Digest

_log: Final = Logger("pier.registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """``tags``: those that moved to the manifest, or that went. ``by``: the principal's name. ``at``: an epoch."""

    kind: Literal["push", "delete"]
    repository: str
    digest: Digest
    media_type: str = ""
    size: int = 0
    tags: tuple[str, ...] = ()
    by: str = ""
    at: int = 0


Observer = Callable[[Happening], Awaitable[None]]


async def tell(observers: Iterable[Observer], happening: Happening) -> None:
    for observer in observers:
        try:
            await observer(happening)
        except Exception:
            _log.exception("an observer failed", kind=happening.kind, repository=happening.repository)
