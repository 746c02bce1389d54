"""What happened to a repository, and the work that follows from it: webhooks, replication.

Planners are asked within the transaction that makes it happen, so that its jobs are there if it has happened, whatever
becomes of the process a moment later.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pier.oci.digest import Digest
from pier.registry.model import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """``tags``: those that moved to the manifest, or that went. ``by``: the principal's name. ``at``: an epoch.

    ``size``: the manifest's own bytes.
    """

    kind: Literal["push", "delete"]
    repository: str
    digest: Digest
    media_type: str = ""
    size: int = 0
    tags: tuple[str, ...] = ()
    by: str = ""
    at: int = 0


Planner = Callable[[Happening], Iterable[Job]]
"""Gives the jobs for what happens. Called in threads, more than once where a transaction is begun again; quick, and
raises nothing."""
