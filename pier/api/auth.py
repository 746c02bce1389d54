"""``/auth``: whether a registry takes these credentials."""

from typing import Any

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Route
from pier.remote.login import check_login
from pier.remote.settings import Credentials


async def check_auth(call: Call) -> web.Response:
    credentials = Credentials.from_auth_config(await call.json(dict[str, Any]))
    login = await check_login(call.services.registries, credentials)
    return reply({"Status": login.status, "IdentityToken": login.identity_token})


ROUTES = (Route("POST", "/auth", check_auth),)
