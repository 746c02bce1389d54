"""Answering a registry's challenges: Basic, and Bearer by way of a token server.

The token server speaks the Docker token specification (GET with Basic credentials) or, for an
identity token, OAuth2 (POST with a refresh token). Tokens are kept for one task, by scope.
"""

import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from yarl import URL

from pier.errors import DataCorrupted, Unauthorized, Unsupported
from pier.remote.challenge import Challenge
from pier.remote.settings import Credentials

CLIENT_ID: Final = "docker"
_SHORTEST_LIFE: Final = 60.0
_LONGEST_LIFE: Final = 24 * 3600.0
_MARGIN: Final = 10.0

Ask = Callable[[str, URL, Mapping[str, str], Mapping[str, str] | None], Awaitable[bytes]]
"""``ask(method, url, headers, form) -> body`` of a 200 answer; raises kinds. Given by the client."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token server gave. ``expires`` is on the monotonic clock."""

    value: str
    expires: float
    refresh: str = ""


class Authorizer:
    """Knows one registry's challenges and one user's credentials; makes ``Authorization`` headers."""

    def __init__(self, challenges: list[Challenge], credentials: Credentials | None, ask: Ask) -> None:
        self._challenge = choose(challenges)
        self._credentials = credentials or Credentials()
        self._ask = ask
        self._tokens: dict[tuple[str, ...], Token] = {}

    async def header(self, scopes: tuple[str, ...]) -> dict[str, str]:
        """The headers to send for ``scopes``; none where the registry asks for none."""
        if self._credentials.registry_token:
            return {"Authorization": f"Bearer {self._credentials.registry_token}"}
        if self._challenge is None:
            return {}
        if self._challenge.scheme == "basic":
            return {"Authorization": basic(self._credentials)}
        return {"Authorization": f"Bearer {(await self._token(scopes)).value}"}

    def learn(self, challenges: list[Challenge]) -> bool:
        """Take a refusal's challenges and forget the tokens; whether asking again may help."""
        chosen, asked = choose(challenges), self._challenge
        if chosen is None or self._credentials.registry_token or (asked is not None and asked.scheme == "basic"):
            return False
        self._challenge = chosen
        self._tokens.clear()
        return True

    async def login(self) -> Token | None:
        """Prove the credentials to the token server; None where there is no token server."""
        if self._challenge is None or self._challenge.scheme == "basic":
            return None
        return await self._fetch((), offline=True)

    async def _token(self, scopes: tuple[str, ...]) -> Token:
        token = self._tokens.get(scopes)
        if token is None or token.expires <= time.monotonic():
            token = self._tokens[scopes] = await self._fetch(scopes, offline=False)
        return token

    async def _fetch(self, scopes: tuple[str, ...], *, offline: bool) -> Token:
        assert self._challenge is not None
        realm = _realm(self._challenge)
        query = {"service": self._challenge.get("service")} if self._challenge.get("service") else {}
        if self._credentials.identity_token:
            body = await self._ask("POST", realm, {}, self._refresh_form(query, scopes))
        else:
            body = await self._ask("GET", self._token_url(realm, query, scopes, offline), self._basic(), None)
        return read_token(body)

    def _refresh_form(self, query: Mapping[str, str], scopes: tuple[str, ...]) -> dict[str, str]:
        form = {**query, "grant_type": "refresh_token", "refresh_token": self._credentials.identity_token}
        return {**form, "client_id": CLIENT_ID, "scope": " ".join(scopes)}

    def _token_url(self, realm: URL, query: Mapping[str, str], scopes: tuple[str, ...], offline: bool) -> URL:
        pairs = [*realm.query.items(), *query.items(), *(("scope", scope) for scope in scopes)]
        if self._credentials.username:
            pairs.append(("account", self._credentials.username))
        if offline:
            pairs += [("client_id", CLIENT_ID), ("offline_token", "true")]
        return realm.with_query(pairs)

    def _basic(self) -> dict[str, str]:
        return {"Authorization": basic(self._credentials)} if self._credentials.username else {}


def choose(challenges: list[Challenge]) -> Challenge | None:
    """The challenge to answer: Bearer before Basic; None where there is none that we know."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def basic(credentials: Credentials) -> str:
    """The Basic ``Authorization`` value. Raises Unauthorized without a user name, as Docker does."""
    if not credentials.username:
        raise Unauthorized("no basic auth credentials")
    pair = f"{credentials.username}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _realm(challenge: Challenge) -> URL:
    text = challenge.get("realm")
    try:
        realm = URL(text)
    except ValueError as error:
        raise DataCorrupted(f"invalid token auth challenge realm: {text!r}") from error
    if realm.scheme not in ("http", "https") or not realm.host:
        raise Unsupported(f"unsupported token auth challenge realm: {text!r}")
    return realm


def read_token(body: bytes) -> Token:
    """Read a token server's answer (either dialect). Raises DataCorrupted when there is no token in it."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataCorrupted("unable to decode token response: not JSON") from error
    if not isinstance(answer, dict):
        raise DataCorrupted("unable to decode token response: not a JSON object")
    value = answer.get("token") or answer.get("access_token")
    if not isinstance(value, str) or not _sendable(value):
        raise DataCorrupted("authorization server did not include a token in the response")
    refresh = answer.get("refresh_token")
    return Token(value, time.monotonic() + _life(answer.get("expires_in")), refresh if isinstance(refresh, str) else "")


def _sendable(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _life(seconds: object) -> float:
    """A day at most, whatever is promised: that may be any number of JSON's, and be no float."""
    promised = seconds if isinstance(seconds, int | float) else 0
    return min(max(_SHORTEST_LIFE, promised), _LONGEST_LIFE) - _MARGIN
