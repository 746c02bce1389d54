"""Endpoints of Docker's that are not there: each says so in one sentence, swarm's in Docker's own words."""

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Handler, Route
from pier.errors import Unavailable, Unsupported

_NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
    "swarm and try again."
)


async def no_swarm(call: Call) -> web.Response:
    raise Unavailable(_NOT_A_MANAGER)


async def leave_swarm(call: Call) -> web.Response:
    raise Unavailable("This node is not part of a swarm")


async def no_plugins(call: Call) -> web.Response:
    return reply([])


def _refusal(sentence: str) -> Handler:
    async def refuse(call: Call) -> web.Response:
        raise Unsupported(sentence)

    return refuse


_plugins = _refusal("plugins are not supported")
_new_swarm = _refusal("swarm mode is not supported yet")

ROUTES = (
    Route("GET", "/plugins", no_plugins),
    Route("GET", "/plugins/privileges", _plugins),
    Route("POST", "/plugins/pull", _plugins),
    Route("POST", "/plugins/create", _plugins),
    Route("GET", "/plugins/{name}/json", _plugins),
    Route("POST", "/plugins/{name}/enable", _plugins),
    Route("POST", "/plugins/{name}/disable", _plugins),
    Route("POST", "/plugins/{name}/set", _plugins),
    Route("DELETE", "/plugins/{name}", _plugins),
    Route("POST", "/swarm/init", _new_swarm),
    Route("POST", "/swarm/join", _new_swarm),
    Route("POST", "/swarm/leave", leave_swarm),
    *(Route("GET", f"/{noun}", no_swarm) for noun in ("swarm", "nodes", "services", "tasks", "secrets", "configs")),
    *(Route("GET", f"/{noun}/{{name}}", no_swarm) for noun in ("nodes", "services", "tasks", "secrets", "configs")),
    *(Route("POST", f"/{noun}/create", no_swarm) for noun in ("services", "secrets", "configs")),
    *(Route("POST", f"/{noun}/{{name}}/update", no_swarm) for noun in ("nodes", "services", "secrets", "configs")),
    *(Route("DELETE", f"/{noun}/{{name}}", no_swarm) for noun in ("nodes", "services", "secrets", "configs")),
    *(Route("GET", f"/{noun}/{{name}}/logs", no_swarm) for noun in ("services", "tasks")),
    Route("GET", "/swarm/unlockkey", no_swarm),
    Route("POST", "/swarm/update", no_swarm),
    Route("POST", "/swarm/unlock", no_swarm),
)
