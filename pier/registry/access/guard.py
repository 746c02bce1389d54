"""The guard: from a request's credentials to somebody who may, or to a refusal that says how to sign in."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pier.errors import InvalidArgument
from pier.registry.access import scopes
from pier.registry.access.limits import Limits
from pier.registry.access.people import Account, People
from pier.registry.access.policy import Rights
from pier.registry.access.scopes import Grant
from pier.registry.access.tokens import Tokens
from pier.registry.model import Role
from pier.registry.principal import Action, Caller, Need, Refused
from pier.registry.refusals import Code, Refusal

_ORIGIN: Final = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_NOBODY: Final = base64.b64encode(b":").decode()
"""What dockerd's search says where nobody has logged in."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Implements Principal. ``grants``: what their token is good for; None for who came with a password, or nothing."""

    rights: Rights
    people: People
    grants: tuple[Grant, ...] | None = None

    @property
    def name(self) -> str:
        return self.rights.name

    async def may(self, action: Action, repository: str) -> bool:
        """A token for the catalogue also shows what its owner may read; none takes away what anybody may pull.

        dockerd asks a mirror with a token for the name that the mirrored registry has, which is another here.
        """
        grants = self.grants
        if grants is not None and not scopes.covers(grants, action, repository):
            if action != "pull":
                return False
            if not scopes.covers(grants, "catalog", ""):
                return await self.people.public(repository)
        return await self.could(action, repository)

    async def could(self, action: Action, repository: str) -> bool:
        """Whether they may, if they asked with the right token."""
        if self.rights.allows(action, repository):
            return True
        if action == "ping":
            return self.grants is not None
        return action == "pull" and await self.people.public(repository)


class Doorkeeper:
    """Implements Guard. One a process."""

    def __init__(self, people: People, tokens: Tokens, limits: Limits, service: str) -> None:
        self._people = people
        self._tokens = tokens
        self._limits = limits
        self._service = service

    async def authorize(self, caller: Caller, needs: Sequence[Need]) -> Asker:
        asker = await self.identify(caller, needs)
        for need in needs:
            if await asker.may(need.action, need.repository):
                continue
            if asker.name and not await asker.could(need.action, need.repository):
                raise denied(need, asker.name)
            insufficient = asker.grants is not None
            raise self._unauthorized(
                caller, needs, "authentication required", insufficient=insufficient, who=asker.name
            )
        return asker

    async def identify(self, caller: Caller, needs: Sequence[Need] = ()) -> Asker:
        """Who asks; nobody in particular without credentials. Raises Refusal for those that are wrong."""
        self._limits.request(caller.address)
        if await self._people.open():
            return Asker(await self._people.nobody(), self._people)
        kind, _, value = caller.headers.get("Authorization", "").partition(" ")
        try:
            match kind.lower():
                case "":
                    return Asker(await self._people.nobody(), self._people)
                case "basic" if value.strip() == _NOBODY:
                    return Asker(await self._people.nobody(), self._people)
                case "basic":
                    asker = await self._by_password(caller, value)
                case "bearer":
                    asker = await self._by_token(value.strip())
                case _:
                    raise Refusal(Code.UNAUTHORIZED, "unknown kind of credentials")
        except Refusal as refusal:
            if refusal.code is not Code.UNAUTHORIZED:
                raise
            who = refusal.who if isinstance(refusal, Refused) else ""
            invalid = kind.lower() == "bearer"
            raise self._unauthorized(caller, needs, refusal.message, invalid=invalid, who=who) from refusal
        self._limits.of_user(asker.name)
        return asker

    async def sign_in(self, caller: Caller) -> Account | None:
        """Who asks for a token, by their password; None without one. Raises Refusal."""
        kind, _, value = caller.headers.get("Authorization", "").partition(" ")
        if not kind:
            return None
        if kind.lower() != "basic":
            raise Refusal(Code.UNAUTHORIZED, "a token is given for a name and a password")
        return await self._people.sign_in(caller.address, *name_and_password(value))

    async def _by_password(self, caller: Caller, value: str) -> Asker:
        account = await self._people.sign_in(caller.address, *name_and_password(value))
        return Asker(account.rights, self._people)

    async def _by_token(self, text: str) -> Asker:
        token = self._tokens.read_access(text)
        if not token.name:
            return Asker(await self._people.nobody(), self._people, token.grants)
        if self._tokens.is_own(token):
            roles: dict[str, Role] = {
                each.name: "writer" if "push" in each.actions else "reader" for each in token.grants
            }
            return Asker(Rights(token.name, roles=roles), self._people, token.grants)
        account = await self._people.account(token.name)
        if account is None or self._tokens.mark(token.name, account.secret) != token.mark:
            raise Refused(Code.UNAUTHORIZED, "invalid token", who=token.name)
        return Asker(account.rights, self._people, token.grants)

    def _unauthorized(
        self,
        caller: Caller,
        needs: Sequence[Need],
        message: str,
        *,
        who: str,
        insufficient: bool = False,
        invalid: bool = False,
    ) -> Refusal:
        scope = scopes.wanted(needs)
        fields = {"realm": f"{origin_of(caller)}/token", "service": self._service}
        if scope:
            fields["scope"] = scope
        if invalid or insufficient:
            fields["error"] = "invalid_token" if invalid else "insufficient_scope"
        challenge = "Bearer " + ",".join(f'{name}="{value}"' for name, value in fields.items())
        return Refused(Code.UNAUTHORIZED, message, _detail(needs), {"WWW-Authenticate": challenge}, who=who)


def denied(need: Need, who: str) -> Refusal:
    return Refused(Code.DENIED, "requested access to the resource is denied", _detail((need,)), who=who)


def _detail(needs: Sequence[Need]) -> dict[str, str] | None:
    if not needs or not needs[0].repository:
        return None
    return {"type": "repository", "name": needs[0].repository[:255], "action": needs[0].action}


def origin_of(caller: Caller) -> str:
    """How the client has called us. Raises InvalidArgument for a host that is none: it would stand in our headers."""
    if not _ORIGIN.fullmatch(caller.origin):
        raise InvalidArgument("invalid Host header")
    return caller.origin


def name_and_password(value: str) -> tuple[str, str]:
    """Raises Refusal UNAUTHORIZED."""
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise Refusal(Code.UNAUTHORIZED, "credentials that cannot be read") from error
    if not colon or not name or len(name) > 255:
        raise Refusal(Code.UNAUTHORIZED, "credentials that cannot be read")
    return name, password
