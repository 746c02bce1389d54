"""A token server as the Docker token specification has it, signing with RS256 (openssl does the signing)."""

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from pier.linux import process

SERVICE: Final = "pier-test"
_REFRESH: Final = "refresh-of-"


@dataclass
class TokenServer:
    """``users``: passwords by name. Anyone may pull from ``public/``; users may do everything.

    ``asked`` records each request as ``(method, parameters)``; scopes are joined with blanks.
    ``life`` is the seconds that a token is good for.
    """

    folder: Path
    users: dict[str, str]
    realm: str = ""
    life: int = 300
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def registry_settings(self) -> dict[str, str]:
        """The registry's ``auth.token`` settings."""
        bundle = str(self.folder / "token.crt")
        return {"realm": self.realm, "service": SERVICE, "issuer": SERVICE, "rootcertbundle": bundle}

    async def handle(self, request: web.Request) -> web.Response:
        parameters = request.query if request.method == "GET" else await request.post()
        scopes = [part for text in parameters.getall("scope", []) for part in str(text).split()]
        flat = {key: str(value) for key, value in parameters.items()}
        self.asked.append((request.method, {**flat, "scope": " ".join(scopes)}))
        user = self._user(request, flat)
        if user is None:
            return web.json_response({"details": "incorrect username or password"}, status=401)
        token = await self._sign(user, [grant for scope in scopes if (grant := _grant(user, scope))])
        answer: dict[str, Any] = {"token": token, "access_token": token, "expires_in": self.life}
        if flat.get("offline_token") == "true" and user:
            answer["refresh_token"] = _REFRESH + user
        return web.json_response(answer)

    def _user(self, request: web.Request, parameters: Mapping[str, str]) -> str | None:
        """The user's name, "" for nobody in particular, None for a wrong password."""
        if parameters.get("grant_type") == "refresh_token":
            name = parameters.get("refresh_token", "").removeprefix(_REFRESH)
            return name if name in self.users else None
        header = request.headers.get("Authorization")
        if header is None:
            return ""
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return name if self.users.get(name) == password else None

    async def _sign(self, user: str, access: list[dict[str, Any]]) -> str:
        certificate = (self.folder / "token.der").read_bytes()
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(certificate).decode()]}
        claims = {"iss": SERVICE, "sub": user, "aud": SERVICE, "jti": str(len(self.asked)), "access": access}
        times = {"exp": now + self.life, "nbf": now - 10, "iat": now}
        signed = f"{_segment(header)}.{_segment({**claims, **times})}"
        made = await process.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self.folder / "token.key")], stdin=signed.encode()
        )
        if made.returncode:
            raise RuntimeError(made.stderr.decode())
        return f"{signed}.{_base64url(made.stdout)}"


def _grant(user: str, scope: str) -> dict[str, Any] | None:
    kind, name, actions = scope.split(":", 2)
    allowed = actions.split(",") if user else ["pull"] if name.startswith("public/") else []
    return {"type": kind, "name": name, "actions": allowed} if allowed else None


def _segment(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@asynccontextmanager
async def token_server(folder: Path, users: dict[str, str]) -> AsyncIterator[TokenServer]:
    """Run a token server on a loopback port."""
    server = TokenServer(folder, users)
    key, certificate = str(folder / "token.key"), str(folder / "token.crt")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=pier-test", "-days", "3"]
    for argv in (
        [*made, "-keyout", key, "-out", certificate],
        ["openssl", "x509", "-in", certificate, "-outform", "DER", "-out", str(folder / "token.der")],
    ):
        finished = await process.run(argv)
        if finished.returncode:
            raise RuntimeError(finished.stderr.decode())
    app = web.Application()
    app.router.add_route("*", "/token", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.realm = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    try:
        yield server
    finally:
        await runner.cleanup()
