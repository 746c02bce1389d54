"""Streams of JSON messages: errors before and after the first, order, and clients that go away."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from pier.api.call import Call
from pier.api.messages import Progress, run_with_progress, send_bytes
from pier.errors import NoSpace, NotFound
from tests.unit.api.api_server import exchange, hang_up, request, serving

POST = request("POST", "/x", Connection="close")


def messages_of(answer: bytes) -> list[dict[str, object]]:
    """The messages in the chunks of a response."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while rest and not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    assert body.endswith(b"\r\n")
    return [json.loads(line) for line in body.split(b"\r\n")[:-1]]


def report_all(report: Progress, numbers: Iterable[int]) -> None:
    for number in numbers:
        report({"n": number})


async def test_messages_come_in_order_from_every_thread() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        async def work(report: Progress) -> None:
            report_all(report, range(50))
            await asyncio.to_thread(report_all, report, range(50, 100))
            report({"n": 100})

        return await run_with_progress(call, work)

    async with serving(handler) as path:
        answer = await exchange(path, POST, half_close=False)
    assert b"Content-Type: application/json\r\n" in answer
    assert [each["n"] for each in messages_of(answer)] == list(range(101))


async def test_an_error_before_the_first_message_is_an_ordinary_one() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        async def work(report: Progress) -> None:
            raise NotFound("no such thing")

        return await run_with_progress(call, work)

    async with serving(handler) as path:
        answer = await exchange(path, POST, half_close=False)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b'{"message":"no such thing"}\n')


async def test_an_error_in_the_midst_is_the_last_message() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        async def work(report: Progress) -> None:
            report({"status": "working"})
            await asyncio.sleep(0)
            raise NoSpace("no space left on device")

        return await run_with_progress(call, work)

    async with serving(handler) as path:
        answer = await exchange(path, POST, half_close=False)
    assert messages_of(answer) == [
        {"status": "working"},
        {"errorDetail": {"message": "no space left on device"}, "error": "no space left on device"},
    ]


async def test_a_client_that_goes_away_cancels_the_work() -> None:
    cancelled = asyncio.Event()

    async def handler(call: Call) -> web.StreamResponse:
        async def work(report: Progress) -> None:
            report({"status": "working"})
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        return await run_with_progress(call, work)

    async with serving(handler) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(POST)
        await reader.readuntil(b"working")
        await hang_up(writer)
        await asyncio.wait_for(cancelled.wait(), 60)


async def test_an_archive_that_breaks_off_is_not_taken_for_whole() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            raise NoSpace("no space left on device")

        return await send_bytes(call, chunks(), "application/x-tar")

    async with serving(handler) as path:
        try:
            answer = await exchange(path, POST, half_close=False)
        except ConnectionError:
            return
    assert not answer.endswith(b"0\r\n\r\n")


async def test_an_archive_that_cannot_begin_is_an_ordinary_error() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        async def chunks() -> AsyncIterator[bytes]:
            raise NotFound("No such image: x:latest")
            yield b""

        return await send_bytes(call, chunks(), "application/x-tar")

    async with serving(handler) as path:
        answer = await exchange(path, POST, half_close=False)
    assert answer.startswith(b"HTTP/1.1 404 ")
