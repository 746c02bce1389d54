"""Reading queries, bodies and headers."""

import base64
import json

import msgspec
import pytest
from aiohttp import web

from pier.api.call import MAX_BODY, Call, TooLarge
from pier.api.replies import reply
from pier.api.routing import Handler
from tests.unit.api.api_server import exchange, request, serving


class Body(msgspec.Struct, rename="pascal"):
    name: str = ""
    count: int = 0


async def answer_of(handler: Handler, data: bytes) -> tuple[int, dict[str, object]]:
    async with serving(handler) as path:
        head, _, body = (await exchange(path, data, half_close=False)).partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def closing(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


@pytest.mark.parametrize(
    ("query", "value"),
    [(query, False) for query in ("", "?a=", "?a=0", "?a=false", "?a=no", "?a=None")]
    + [(query, True) for query in ("?a=1", "?a=true", "?a=yes", "?a=anything")],
)
async def test_flags_are_read_as_docker_reads_them(query: str, value: bool) -> None:
    async def handler(call: Call) -> web.Response:
        return reply({"a": call.flag("a")})

    assert await answer_of(handler, closing(request("GET", f"/x{query}"))) == (200, {"a": value})


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("", 200, {"n": None}),
        ("?n=", 200, {"n": None}),
        ("?n=-7", 200, {"n": -7}),
        ("?n=x", 400, {"message": 'strconv.Atoi: parsing "x": invalid syntax'}),
    ],
)
async def test_numbers_are_checked(query: str, status: int, body: dict[str, object]) -> None:
    async def handler(call: Call) -> web.Response:
        return reply({"n": call.integer("n")})

    assert await answer_of(handler, closing(request("GET", f"/x{query}"))) == (status, body)


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b'{"Name":"a","Count":2}', "application/json", 200, ""),
        (b'{"Name":"a"}', "application/json; charset=utf-8", 200, ""),
        (b"", "application/json", 400, "invalid JSON: got EOF while reading request body"),
        (b"{", "application/json", 400, "invalid JSON: "),
        (b"[]", "application/json", 400, "invalid JSON: Expected `object`, got `array`"),
        (b'{"Count":"2"}', "application/json", 400, "invalid JSON: Expected `int`, got `str` - at `$.Count`"),
        (b"[" * 100_000, "application/json", 400, "invalid JSON: "),
        (b"{}", "text/plain", 400, "unsupported Content-Type header (text/plain): must be 'application/json'"),
    ],
)
async def test_bodies_are_decoded_and_checked(body: bytes, kind: str, status: int, said: str) -> None:
    async def handler(call: Call) -> web.Response:
        decoded = await call.json(Body)
        return reply({"message": "", "name": decoded.name})

    got, answer = await answer_of(handler, closing(request("POST", "/x", body, Content_Type=kind)))
    assert got == status
    assert str(answer["message"]).startswith(said)


async def test_a_body_without_end_is_cut_off() -> None:
    async def handler(call: Call) -> web.Response:
        with pytest.raises(TooLarge, match="larger than 8 MiB"):
            await call.json(Body)
        return reply({"refused": True})

    body = b" " * (MAX_BODY + 1)
    assert await answer_of(handler, closing(request("POST", "/x", body))) == (200, {"refused": True})


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [
        ("", 200, {"config": None}),
        (encoded({"username": "a"}), 200, {"config": {"username": "a"}}),
        (encoded({"username": "a"}).rstrip("="), 200, {"config": {"username": "a"}}),
        ("?????", 400, None),
        (encoded([1]), 400, None),
    ],
)
async def test_the_registry_header_is_base64_json(header: str, status: int, body: object) -> None:
    async def handler(call: Call) -> web.Response:
        return reply({"config": call.header_json("X-Registry-Auth", dict[str, str])})

    got, answer = await answer_of(handler, closing(request("POST", "/x", X_Registry_Auth=header)))
    assert got == status
    if body is not None:
        assert answer == body
    else:
        assert str(answer["message"]).startswith("invalid X-Registry-Auth header: ")
