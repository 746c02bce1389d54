"""Connections that are taken over: upgrades, half-close, frames, and clients that go away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from pier.api.call import Call
from pier.api.streams import MULTIPLEXED, RAW, Taken, frame, hijack, media_type, pump
from pier.errors import Conflict
from tests.unit.api.api_server import exchange, hang_up, request, serving

UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class Echo:
    """A process that repeats its input on both streams and ends with it."""

    def __init__(self) -> None:
        self.input: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        while (data := await self.input.get()) is not None:
            yield 1, b"out:" + data
        yield 2, b"end"

    async def write(self, data: bytes) -> None:
        self.input.put_nowait(data)

    async def close_stdin(self) -> None:
        self.input.put_nowait(None)

    async def close(self) -> None:
        self.closed.set()


class Talker(Echo):
    """A process that writes ``size`` bytes and does not read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        piece = b"x" * 8192
        for _ in range(self.size // len(piece)):
            yield 1, piece


class Silent(Echo):
    """A process that says nothing and does not end."""

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 1, b"hello"
        await asyncio.Event().wait()


def attaching(stdio: Echo, *, tty: bool) -> Callable[[Call], Awaitable[web.StreamResponse]]:
    async def handler(call: Call) -> web.StreamResponse:
        await call.body()
        await pump(hijack(call, media_type(call, tty)), stdio, tty=tty)
        return Taken()

    return handler


def split(answer: bytes) -> tuple[str, bytes]:
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head.decode(), rest


async def test_an_upgrade_is_answered_and_the_streams_are_framed() -> None:
    async with serving(attaching(Echo(), tty=False)) as path:
        head, rest = split(await exchange(path, request("POST", "/containers/x/attach", b"", **UPGRADE), b"hi"))
    assert head.startswith("HTTP/1.1 101 UPGRADED\r\n")
    assert "Upgrade: tcp" in head
    assert f"Content-Type: {MULTIPLEXED}" in head
    assert rest == frame(1, b"out:hi") + frame(2, b"end")


async def test_a_terminal_is_one_raw_stream() -> None:
    async with serving(attaching(Echo(), tty=True)) as path:
        head, rest = split(await exchange(path, request("POST", "/containers/x/attach", b"", **UPGRADE), b"hi"))
    assert f"Content-Type: {RAW}" in head
    assert rest == b"out:hiend"


@pytest.mark.parametrize("body", [b"", b'{"Tty":false}'])
async def test_bytes_in_the_same_packet_as_the_request_are_not_lost(body: bytes) -> None:
    together = request("POST", "/exec/x/start", body, **UPGRADE) + b"early"
    async with serving(attaching(Echo(), tty=True)) as path:
        _, rest = split(await exchange(path, together))
    assert rest == b"out:earlyend"


async def test_a_client_that_does_not_ask_for_an_upgrade_gets_200_and_the_same_stream() -> None:
    together = request("POST", "/containers/x/attach?stream=1") + b"early"
    async with serving(attaching(Echo(), tty=True)) as path:
        head, rest = split(await exchange(path, together))
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"Content-Type: {RAW}" in head
    assert rest == b"out:earlyend"


async def test_before_1_42_both_kinds_of_stream_have_one_name() -> None:
    async with serving(attaching(Echo(), tty=False), version=(1, 41)) as path:
        head, _ = split(await exchange(path, request("POST", "/containers/x/attach", b"", **UPGRADE)))
    assert f"Content-Type: {RAW}" in head


async def test_the_last_byte_arrives_though_the_client_keeps_sending() -> None:
    size = 1 << 20
    async with serving(attaching(Talker(size), tty=True)) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(request("POST", "/containers/x/attach", b"", **UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"never read by anyone")
        assert len(await asyncio.wait_for(reader.read(), 60)) == size
        await hang_up(writer)


async def test_a_client_that_does_not_read_holds_the_output_back() -> None:
    talker = Talker(64 << 20)
    async with serving(attaching(talker, tty=True)) as path:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1024)
        writer.write(request("POST", "/containers/x/attach", b"", **UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        assert not talker.closed.is_set()
        received = 0
        while data := await asyncio.wait_for(reader.read(1 << 20), 60):
            received += len(data)
        assert received == talker.size
        await hang_up(writer)


async def test_a_client_that_goes_away_lets_go_of_the_process() -> None:
    silent = Silent()
    async with serving(attaching(silent, tty=True)) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(request("POST", "/containers/x/attach", b"", **UPGRADE))
        await reader.readuntil(b"hello")
        await hang_up(writer)
        await asyncio.wait_for(silent.closed.wait(), 60)


async def test_half_closing_does_not_end_the_output() -> None:
    """``echo hi | docker run -i … sleep 1``: the input ends long before the output."""
    silent = Silent()
    async with serving(attaching(silent, tty=True)) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(request("POST", "/containers/x/attach", b"", **UPGRADE))
        writer.write_eof()
        assert await asyncio.wait_for(silent.input.get(), 60) is None
        assert not silent.closed.is_set()
        assert (await reader.readuntil(b"hello")).endswith(b"hello")
        await hang_up(writer)


async def test_a_request_may_come_in_pieces() -> None:
    data = request("POST", "/exec/x/start", b'{"Tty":true}', **UPGRADE) + b"early"
    pieces = [data[index : index + 7] for index in range(0, len(data), 7)]
    async with serving(attaching(Echo(), tty=True)) as path:
        _, rest = split(await exchange(path, *pieces))
    assert rest.replace(b"out:", b"") == b"earlyend"


async def test_a_connection_serves_other_requests_before_it_is_taken_over() -> None:
    echo = Echo()

    async def handler(call: Call) -> web.StreamResponse:
        if call.request.method == "GET":
            return web.Response(text="ok")
        return await attaching(echo, tty=True)(call)

    async with serving(handler) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(request("GET", "/_ping"))
        await reader.readuntil(b"ok")
        writer.write(request("POST", "/containers/x/attach", b"", **UPGRADE) + b"early")
        writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 60)).endswith(b"out:earlyend")
        await hang_up(writer)


async def test_a_body_that_looks_like_a_request_is_a_body() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        return web.Response(body=await call.body())

    body = request("POST", "/containers/x/attach", b"", **UPGRADE)
    async with serving(handler) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        head = request("POST", "/x", body)[: -len(body)]
        writer.write(head)
        await writer.drain()
        writer.write(body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in answer
        assert await reader.readexactly(len(body)) == body
        await hang_up(writer)


async def test_a_body_in_chunks_is_understood() -> None:
    head = request("POST", "/exec/x/start", Transfer_Encoding="chunked", **UPGRADE)
    body = b'7\r\n{"Tty":\r\n5\r\ntrue}\r\n0\r\n\r\n'
    seen: list[bytes] = []

    async def handler(call: Call) -> web.StreamResponse:
        seen.append(await call.body())
        return await attaching(Echo(), tty=True)(call)

    async with serving(handler) as path:
        _, rest = split(await exchange(path, head + body + b"early"))
    assert seen == [b'{"Tty":true}']
    assert rest == b"out:earlyend"


async def test_a_refused_takeover_leaves_the_connection_to_the_next_request() -> None:
    async def handler(call: Call) -> web.StreamResponse:
        if call.request.method == "POST":
            raise Conflict("not now")
        return web.Response(text="fine")

    attach, ping = request("POST", "/containers/x/attach", **UPGRADE), request("GET", "/_ping")
    async with serving(handler) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(attach + ping)
        answer = await asyncio.wait_for(reader.readuntil(b"fine"), 60)
        assert answer.startswith(b"HTTP/1.1 409 ")
        assert b"HTTP/1.1 200 OK" in answer
        writer.write(attach)
        writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 409 ")
        await hang_up(writer)
