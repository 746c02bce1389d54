"""``/token``: the token server (Docker token specification with GET, OAuth2 with POST)."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from pier.errors import DeadlineExceeded, InvalidArgument
from pier.registry.access.gate import Gate
from pier.registry.access.guard import Asker
from pier.registry.access.people import Account
from pier.registry.access.scopes import Grant, parse
from pier.registry.http.replies import document, wrong_method
from pier.registry.principal import Action, Caller
from pier.registry.refusals import Code, Refusal
from pier.registry.settings import Settings
from pier.registry.upstream.places import Places

_LARGEST: Final = 64 << 10
_PATIENCE: Final = 20
_MOST_FIELDS: Final = 100
_FRESH: Final = {"Cache-Control": "no-store"}
_METHODS: Final = {"GET": "", "POST": ""}


class TokenPage:
    """Gives whoever asks a token for as much as they may of what they ask for.

    An engine asks a mirror by the name that the mirrored registry has, or by a short one: what comes from ``places``
    has another here, and a token for the one is good for reading the other, as far as they may.
    """

    def __init__(self, gate: Gate, settings: Settings, places: Places | None = None) -> None:
        self._places = places
        self._people = gate.people
        self._guard = gate.guard
        self._tokens = gate.tokens
        self._limits = gate.limits
        self._settings = settings

    async def answer(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """Raises Refusal: UNAUTHORIZED for wrong credentials, TOOMANYREQUESTS; InvalidArgument for nonsense."""
        with self._people.refusing(caller.address):
            self._limits.request(caller.address)
        match request.method:
            case "GET":
                account = await self._guard.sign_in(caller)
                query = request.query
                offline = query.get("offline_token", "").lower() in ("true", "1")
                return await self._give(account, query.getall("scope", []), query.get("service", ""), offline)
            case "POST":
                form = await _form(request)
                account = await self._by_grant(caller, form)
                offline = form.get("access_type", [""])[0] == "offline"
                return await self._give(account, form.get("scope", []), form.get("service", [""])[0], offline)
        return wrong_method(_METHODS)

    async def _by_grant(self, caller: Caller, form: Mapping[str, list[str]]) -> Account:
        def field(name: str) -> str:
            return form.get(name, [""])[0]

        match field("grant_type"):
            case "password":
                return await self._people.sign_in(caller.address, field("username")[:255], field("password"))
            case "refresh_token":
                token = self._tokens.read_refresh(field("refresh_token"))
                account = await self._people.account(token.name)
                if account is None or self._tokens.mark(token.name, account.secret) != token.mark:
                    raise Refusal(Code.UNAUTHORIZED, "invalid token")
                return account
        raise InvalidArgument("unsupported grant_type: password or refresh_token")

    async def _give(
        self, account: Account | None, scopes: Iterable[str], service: str, offline: bool
    ) -> web.StreamResponse:
        if service not in ("", self._settings.service):
            raise InvalidArgument("tokens for another service are not given here")
        asker = Asker(account.rights if account else await self._people.nobody(), self._people)
        if asker.name:
            self._limits.of_user(asker.name)
        grants = [cut for grant in self._meant(parse(scopes)) if (cut := await _cut(asker, grant)).actions]
        mark = self._tokens.mark(asker.name, account.secret) if account else ""
        life = self._settings.token_life
        token = self._tokens.access(asker.name, mark, grants, life)
        answer: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": life,
            "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "scope": " ".join(f"{each.type}:{each.name}:{','.join(each.actions)}" for each in grants),
            "token_type": "Bearer",
        }
        if offline and account:
            answer["refresh_token"] = self._tokens.refresh(asker.name, mark, self._settings.refresh_life)
        return document(answer, _FRESH)

    def _meant(self, grants: list[Grant]) -> Iterator[Grant]:
        for grant in grants:
            yield grant
            if self._places is not None and grant.type == "repository" and "pull" in grant.actions:
                for place in self._places.meant(grant.name):
                    yield Grant(grant.type, place.repository, ("pull",))


async def _cut(asker: Asker, grant: Grant) -> Grant:
    """What of it they may."""
    if grant.type == "registry":
        allowed = "*" in grant.actions and await asker.could("catalog", "")
        return Grant(grant.type, grant.name, ("*",) if allowed else ())
    kinds: tuple[Action, ...] = ("pull", "push", "delete")
    found = [each for each in kinds if each in grant.actions and await asker.could(each, grant.name)]
    return Grant(grant.type, grant.name, tuple(found))


async def _form(request: web.BaseRequest) -> dict[str, list[str]]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidArgument("expected a form (application/x-www-form-urlencoded)")
    data = await small_body(request, _LARGEST)
    try:
        return parse_qs(data.decode(errors="replace"), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise InvalidArgument("the form has too many fields") from error


async def small_body(request: web.BaseRequest, most: int) -> bytes:
    """Raises InvalidArgument for one that is longer, DeadlineExceeded where the client falls silent."""
    data = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            while piece := await request.content.read(most):
                data += piece
                if len(data) > most:
                    raise InvalidArgument(f"the request is longer than {most} bytes")
    except TimeoutError as error:
        raise DeadlineExceeded("the client has stopped sending") from error
    return data
