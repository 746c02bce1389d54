"""``/containers``: the endpoints that stream: attach, logs, stats, wait."""

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web

from pier.api.call import Call
from pier.api.messages import MessageStream
from pier.api.replies import reply
from pier.api.routing import Route
from pier.api.streams import Taken, hijack, media_type, pump
from pier.containers import attach, logs, stats, wait
from pier.events.timestamps import parse_timestamp
from pier.logs.driver import LogQuery


async def attach_container(call: Call) -> web.StreamResponse:
    options = attach.AttachOptions(
        stdin=call.flag("stdin"),
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        logs=call.flag("logs"),
        stream=call.flag("stream"),
        detach_keys=call.text("detachKeys"),
    )
    stdio = await attach.attach(call.services.containers, call.name, options)
    try:
        stream = hijack(call, media_type(call, stdio.tty))
    except ConnectionError:
        await stdio.close()
        raise
    await pump(stream, stdio, tty=stdio.tty)
    return Taken()


async def wait_container(call: Call) -> web.StreamResponse:
    """The headers go out before the wait begins: clients start the container only once they have seen them."""
    future = wait.waiter(call.services.containers, call.name, _condition(call))
    call.on_disconnect(future.cancel)
    try:
        stream = MessageStream(call)
        if call.version >= (1, 30):
            await stream.start()
        result = await future
    finally:
        future.cancel()
    await stream.send({"StatusCode": result.code} | ({"Error": {"Message": result.error}} if result.error else {}))
    return await stream.finish()


def _condition(call: Call) -> str:
    """Before 1.30 there were no conditions, and the wait was for the container not to run."""
    return call.text("condition") if call.version >= (1, 30) else ""


async def container_logs(call: Call) -> web.StreamResponse:
    query = _log_query(call)
    found = await logs.logs(call.services.containers, call.name, query)
    response = web.StreamResponse(headers={"Content-Type": media_type(call, found.tty)})
    response.headers.update(call.services.system.headers())
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    work = asyncio.ensure_future(_send_logs(response, found.frames(timestamps=call.flag("timestamps"))))
    call.on_disconnect(work.cancel)
    try:
        await work
    finally:
        work.cancel()
    await response.write_eof()
    return response


async def _send_logs(response: web.StreamResponse, frames: AsyncIterator[bytes]) -> None:
    async for data in frames:
        await response.write(data)


def _log_query(call: Call) -> LogQuery:
    now = time.time_ns()
    return LogQuery(
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        since=_moment(call.text("since"), now),
        until=_moment(call.text("until"), now),
        tail=_tail(call.text("tail")),
        follow=call.flag("follow"),
    )


def _moment(text: str, now: int) -> int | None:
    """0 and nothing mean no bound."""
    return parse_timestamp(text, now) if text not in ("", "0") else None


def _tail(text: str) -> int | None:
    """What is no number means all, as in Docker."""
    return int(text) if text.isascii() and text.isdigit() else None


async def container_stats(call: Call) -> web.StreamResponse:
    deps = call.services.containers
    if not call.flag("stream", True):
        return reply(await stats.sample(deps, call.name, one_shot=call.flag("one-shot")))
    return await _stream_stats(call, stats.stream(deps, call.name))


async def _stream_stats(call: Call, samples: AsyncIterator[object]) -> web.StreamResponse:
    stream = MessageStream(call)

    async def send() -> None:
        async for sample in samples:
            await stream.send(sample)

    work = asyncio.ensure_future(send())
    call.on_disconnect(work.cancel)
    try:
        await work
    finally:
        work.cancel()
    return await stream.finish()


ROUTES = (
    Route("POST", "/containers/{name}/attach", attach_container),
    Route("POST", "/containers/{name}/wait", wait_container),
    Route("GET", "/containers/{name}/logs", container_logs),
    Route("GET", "/containers/{name}/stats", container_stats),
)
