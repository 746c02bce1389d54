"""Tokens (JWT): what a client has been allowed, for some minutes, signed with the key that all instances share.

HS256 and nothing else: who checks tokens is who makes them. Access and refresh tokens have different audiences, so that
neither passes for the other.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
import msgspec

from pier.registry.access.scopes import Grant
from pier.registry.records import Access
from pier.registry.refusals import Code, Refusal

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "pier-registry"
_SKEW: Final = 60
_KEY: Final = "token-key"
OWN: Final = "own$"
"""What the names of nobody begin with, whom this registry itself gives a token: what it grants, they may."""

_CLAIMS: Final = ("iss", "sub", "aud", "exp", "nbf", "iat")
_LONGEST: Final = 32 << 10


@dataclass(frozen=True, slots=True)
class Token:
    """What one says. ``mark`` stands for the password that it was given for: see :meth:`Tokens.mark`."""

    name: str
    mark: str
    grants: tuple[Grant, ...] = ()


class Tokens:
    """``service`` is the audience: tokens for another are no good here."""

    def __init__(self, key: bytes, service: str) -> None:
        self._key = key
        self._service = service

    def mark(self, name: str, secret: str) -> str:
        """Changes with the password's hash: a token from before is no good afterwards."""
        return hmac.new(self._key, f"{name}\0{secret}".encode(), hashlib.sha256).hexdigest()[:24]

    def access(self, name: str, mark: str, grants: Sequence[Grant], life: int) -> str:
        return self._sign(self._service, name, mark, life, access=msgspec.to_builtins(list(grants)))

    def own(self, name: str, grants: Sequence[Grant], life: int) -> str:
        """For work of this registry's that others do. ``name`` begins with :data:`OWN`; there is no such user."""
        return self.access(name, self.mark(name, OWN), grants, life)

    def is_own(self, token: Token) -> bool:
        """A user that is called so has another mark: no hash is that."""
        return token.name.startswith(OWN) and hmac.compare_digest(token.mark, self.mark(token.name, OWN))

    def refresh(self, name: str, mark: str, life: int) -> str:
        return self._sign(self._service + "#refresh", name, mark, life)

    def _sign(self, audience: str, name: str, mark: str, life: int, **claims: Any) -> str:
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + life}
        about = {"iss": _ISSUER, "aud": audience, "sub": name, "mark": mark, "jti": secrets.token_hex(8)}
        return jwt.encode({**about, **times, **claims}, self._key, _ALGORITHM)

    def read_access(self, text: str) -> Token:
        """Raises Refusal UNAUTHORIZED for one that has ended, is not ours, or not for this service."""
        return self._read(text, self._service)

    def read_refresh(self, text: str) -> Token:
        return self._read(text, self._service + "#refresh")

    def _read(self, text: str, audience: str) -> Token:
        try:
            if len(text) > _LONGEST:
                raise jwt.InvalidTokenError("too long")
            claims = jwt.decode(
                text,
                self._key,
                [_ALGORITHM],
                audience=audience,
                issuer=_ISSUER,
                leeway=_SKEW,
                options={"require": list(_CLAIMS)},
            )
            grants = msgspec.convert(claims.get("access", []), tuple[Grant, ...])
            return Token(claims["sub"], msgspec.convert(claims.get("mark", ""), str), grants)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise Refusal(Code.UNAUTHORIZED, "invalid token") from error


async def open_tokens(records: Access, service: str) -> Tokens:
    """The key is the first instance's, and stays."""
    key = await records.put_setting(_KEY, secrets.token_bytes(32), only_new=True)
    return Tokens(key, service)
