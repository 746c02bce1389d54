"""The application: one table of routes, and what happens around each request.

Versioned and unversioned paths share the table. A handler returns a response, or raises an error kind,
which becomes Docker's ``{"message": ...}``; whatever else it raises is a defect of ours, logged with its
traceback and answered with 500.
"""

import asyncio
import logging
from typing import Final, cast

from aiohttp import web

from pier.api import (
    absent,
    archive,
    auth,
    build,
    buildcache,
    builds,
    commit,
    container_streams,
    containers,
    df,
    distribution,
    events,
    exec,
    imagebundles,
    images,
    networks,
    search,
    system,
    transfer,
    volumes,
)
from pier.api.buildkit import routes as buildkit
from pier.api.call import Call, TooLarge
from pier.api.replies import failure
from pier.api.routing import Router, split_version
from pier.api.server import Connection, Server
from pier.api.services import Services
from pier.api.status import status_of
from pier.api.streams import Taken
from pier.errors import Cancelled, PierError
from pier.log import Logger

_log: Final = Logger("pier.api")
ROUTER: Final = Router(
    (
        *system.ROUTES,
        *auth.ROUTES,
        *events.ROUTES,
        *df.ROUTES,
        *build.ROUTES,
        *buildcache.ROUTES,
        *builds.ROUTES,
        *containers.ROUTES,
        *container_streams.ROUTES,
        *archive.ROUTES,
        *exec.ROUTES,
        *commit.ROUTES,
        *transfer.ROUTES,
        *imagebundles.ROUTES,
        *distribution.ROUTES,
        *search.ROUTES,
        *images.ROUTES,
        *volumes.ROUTES,
        *networks.ROUTES,
        *buildkit.ROUTES,
        *absent.ROUTES,
    )
)


def make_server(services: Services) -> Server:
    """Build the server that answers for ``services``; the caller gives it sockets."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(Connection, request.protocol)
        try:
            response = await answer(services, request, connection)
        finally:
            connection.answered()
        if not response.prepared:
            response.headers.update(services.system.headers())
        return response

    logger = logging.getLogger("pier.http")
    logger.setLevel(logging.CRITICAL)  # what it says is about clients that speak nonsense; our errors are logged here
    return Server(handle, access_log=None, logger=logger, keepalive_timeout=300, tcp_keepalive=False, lingering_time=5)


async def answer(services: Services, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
    """Answer one request; raises nothing but that it was cancelled or that the client has gone."""
    try:
        version, path = split_version(request.rel_url.raw_path)
        match = ROUTER.match(request.method, path)
        call = Call(request, services, version, match.parameters, connection.on_lost)
        return cast(web.StreamResponse, await match.handler(call))
    except TooLarge as error:
        return failure(413, error.message)
    except PierError as error:
        return failure(status_of(error), error.message)
    except asyncio.CancelledError:
        # A stream's work is cancelled when its client has gone; then nobody reads the answer.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return failure(status_of(Cancelled()), "the client went away")
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            return Taken()
        _log.exception("a request failed", method=request.method, path=request.path)
        return failure(500, f"internal error: {type(error).__name__}: {error}")
