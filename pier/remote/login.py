"""``docker login``: whether a registry takes the credentials."""

from dataclasses import dataclass
from http import HTTPStatus

from yarl import URL

from pier.errors import InvalidArgument, Unauthorized
from pier.remote.client import Registries
from pier.remote.failures import status_line
from pier.remote.repository import Request
from pier.remote.resolver import HUB, written_host
from pier.remote.settings import Credentials


@dataclass(frozen=True, slots=True)
class Login:
    """What the client is told and keeps. ``identity_token`` is empty where the registry gives none."""

    status: str
    identity_token: str


async def check_login(registries: Registries, credentials: Credentials) -> Login:
    """Try ``credentials`` at their ``server_address`` (a host or an URL; empty: Docker Hub).

    Raises Unauthorized where they are refused, and the kinds of a registry that cannot be reached.
    """
    registry = await registries.connect(server_host(credentials.server_address), credentials)
    address = registry.endpoint.v2
    try:
        token = await registry.authorizer.login()
    except Unauthorized as error:
        raise Unauthorized(f'Get "{address}": {error}') from error
    if token is not None and token.refresh:
        return Login("Login Succeeded", token.refresh)
    answer = await registry.open(Request("GET", url=address, ok=(200, 401, 403), retry=False))
    answer.release()
    if answer.status != HTTPStatus.OK:
        failed = status_line(answer.status)
        raise Unauthorized(f"login attempt to {address} failed with status: {failed}")
    return Login("Login Succeeded", "")


def server_host(address: str) -> str:
    """``https://index.docker.io/v1/`` and the like, to the registry's ``host[:port]``. Raises InvalidArgument."""
    if not address:
        return HUB
    try:
        url = URL(address if "://" in address else f"https://{address}")
    except ValueError as error:
        raise InvalidArgument(f"unable to parse server address: {address}: {error}") from error
    return written_host(url) or address
