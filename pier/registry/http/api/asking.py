"""One request to the JSON API, as its handlers see it."""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from pier.errors import InvalidArgument
from pier.registry.access.gate import Gate
from pier.registry.access.guard import Asker
from pier.registry.deps import Registry
from pier.registry.http.token import small_body
from pier.registry.principal import Caller, Need, Refused
from pier.registry.refusals import Code
from pier.registry.upstream.cache import Cache

T = TypeVar("T")

_LARGEST: Final = 1 << 20
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="registry", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class Ask:
    """``words``: the parts of the path that name something."""

    registry: Registry
    gate: Gate
    request: web.BaseRequest
    caller: Caller
    asker: Asker
    words: tuple[str, ...]
    cache: Cache | None = None

    def administer(self) -> None:
        """Raises Refusal where it is no administrator of the registry who asks."""
        self._with_password()
        if not self.asker.rights.admin:
            raise self._denied()

    def lead(self, project: str) -> None:
        """Raises Refusal where it is nobody who may change the project's rules."""
        self._with_password()
        if not self.asker.rights.leads(project):
            raise self._denied()

    def _with_password(self) -> None:
        """A token that was given for pulling is not good for more."""
        if self.asker.grants is not None or not (self.asker.name or self.asker.rights.admin):
            raise Refused(Code.UNAUTHORIZED, "authentication required", headers=_CHALLENGE, who=self.asker.name)

    def _denied(self) -> Refused:
        self._audit("api", Code.DENIED.value, path=self.request.path)
        return Refused(Code.DENIED, "requested access to the resource is denied", who=self.asker.name)

    async def readable(self, repository: str) -> None:
        """Raises Refusal where they may not pull from it."""
        if not await self.asker.may("pull", repository):
            await self.gate.guard.authorize(self.caller, (Need("pull", repository),))

    async def body(self, kind: type[T]) -> T:
        """Raises InvalidArgument. It has to say that it is JSON: a browser does not for somebody else's page."""
        if self.request.content_type != "application/json":
            raise InvalidArgument("expected JSON (Content-Type: application/json)")
        try:
            return msgspec.json.decode(await small_body(self.request, _LARGEST), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidArgument(f"invalid request: {error}") from error

    def query(self, name: str) -> str:
        return self.request.query.get(name, "")

    def note(self, event: str, **more: Any) -> None:
        """Something was changed: write it into the audit log; what this instance knows of people is asked anew."""
        self.gate.people.forget()
        self._audit(event, "ok", **more)

    def _audit(self, event: str, result: str, **more: Any) -> None:
        self.gate.audit.note(event, who=self.asker.name, address=self.caller.address, result=result, **more)
