"""Who asks, and what for (contract): :mod:`pier.registry.http` asks a guard before it does anything.

A guard is where logins, tokens, roles and rate limits live. Without one everybody may do everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pier.registry.refusals import Code, Refusal

Action = Literal["pull", "push", "delete", "catalog", "ping"]
"""``catalog`` (which repositories there are) and ``ping`` (``/v2/``: are the credentials good) have no repository."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a request is about to do. A mount also needs ``pull`` of where it comes from: the principal tells."""

    action: Action
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """A request before it is allowed. ``address`` is the client's own; ``origin`` is how it called us, ``https://host``.

    ``headers`` are the request's, by names of any case.
    """

    address: str
    method: str
    path: str
    origin: str
    headers: Mapping[str, str]


class Refused(Refusal):
    """By the guard. ``who``: as whom they came, rightly or not."""

    def __init__(
        self, code: Code, message: str, detail: Any = None, headers: Mapping[str, str] | None = None, *, who: str = ""
    ) -> None:
        super().__init__(code, message, detail, headers)
        self.who = who


class Principal(Protocol):
    """Somebody who may do something. ``name`` goes into the logs; it is empty for nobody in particular."""

    @property
    def name(self) -> str: ...

    async def may(self, action: Action, repository: str) -> bool:
        """Whether the same caller could also do that: what the catalogue shows, where a mount may come from."""


class Guard(Protocol):
    """One a process."""

    async def authorize(self, caller: Caller, needs: Sequence[Need]) -> Principal:
        """Who it is, if all of ``needs`` are allowed.

        Raises Refusal: UNAUTHORIZED (its headers say how to sign in), DENIED, TOOMANYREQUESTS (with Retry-After).
        """


@dataclass(frozen=True, slots=True)
class Anyone:
    """The principal where there is no guard: everything is allowed."""

    name: str = ""

    async def may(self, action: Action, repository: str) -> bool:
        return True


class OpenHouse:
    """The guard where nobody is kept out."""

    async def authorize(self, caller: Caller, needs: Sequence[Need]) -> Principal:
        return Anyone()
