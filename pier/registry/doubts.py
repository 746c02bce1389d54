"""Another registry says no. That is about what was asked for, unless it is none just now, or does not take us."""

from http import HTTPStatus
from typing import Final

from pier.errors import PierError, Unauthorized
from pier.registry.remotes import Remotes
from pier.registry.settings import Remote
from pier.remote.repository import Repository, Request

REFUSED: Final = "it refuses our name and password"
UNREADABLE: Final = "the password for it cannot be read"


async def doubt(remotes: Remotes, remote: Remote) -> str:
    """Why its refusals say nothing of what it has; empty where they do.

    A proxy before it answers 404 while the registry is down, a firewall 403; and a password that ran out would let
    everything vanish that is kept. So its ``/v2/`` is asked: a registry is there, and lets us in, or wants to know who
    asks.
    """
    try:
        there = remotes.registry(remote)
    except PierError:
        return UNREADABLE
    try:
        return await _doubt(there, bool(remote.username))
    except PierError as error:
        return error.message


async def _doubt(there: Repository, named: bool) -> str:
    request = Request("GET", url=there.endpoint.v2, ok=(200, 401), retry=False)
    try:
        answer = await there.open(request)
    except Unauthorized as error:  # the token server does, or there is no password for Basic
        return f"{REFUSED}: {error.message}" if named else ""
    answer.release()
    return REFUSED if named and answer.status == HTTPStatus.UNAUTHORIZED else ""
