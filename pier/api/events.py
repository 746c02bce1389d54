"""``/events``: what has happened and goes on to happen."""

import time

from aiohttp import web

from pier.api.call import Call
from pier.api.messages import MessageStream
from pier.api.routing import Route
from pier.errors import InvalidArgument
from pier.events.filters import parse_filters
from pier.events.matching import KEYS
from pier.events.timestamps import parse_timestamp


async def stream_events(call: Call) -> web.StreamResponse:
    filters = parse_filters(call.text("filters"))
    filters.require_known(KEYS)
    now = time.time_ns()
    since = parse_timestamp(call.text("since"), now) if call.text("since") else None
    until = parse_timestamp(call.text("until"), now) if call.text("until") else None
    if since is not None and until is not None and since > until:
        raise InvalidArgument(
            "`since` time (" + call.text("since") + ") cannot be after `until` time (" + call.text("until") + ")"
        )
    stream = MessageStream(call)
    async with call.services.events.subscribe(since, until, filters) as subscription:
        call.on_disconnect(subscription.close)
        await stream.start()
        async for event in subscription:
            await stream.send(event.to_api())
    return await stream.finish()


ROUTES = (Route("GET", "/events", stream_events),)
