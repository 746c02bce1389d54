"""Around automated builds: what an engine's token is good for, who holds up whom, secrets in files."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pier.metadata.registry.opening import open_records
from pier.oci.digest import sha256
from pier.registry.access.scopes import Grant
from pier.registry.access.tokens import Tokens, open_tokens
from pier.registry.settings import Settings
from pier.testing.registrypeople import settle
from pier.testing.registryserver import pier_registry
from tests.compat.registrybuilding import NAME, SECRET, ZEROS, github, gitlab, gitlab_pushed, house, pushed

RULE: dict[str, Any] = {
    "name": "app",
    "repository": "https://git.example.test/me/app.git",
    "branch": "main",
    "image": NAME,
    "secret": SECRET,
    "engine": "unix:///nowhere.sock",
}
OWN = "own$build+app"
GRANTS = [Grant("repository", NAME, ("pull", "push"))]
BASES = [Grant("repository", "team", ("pull",)), Grant("repository", "team/*", ("pull",))]
CALLS = (
    ("HEAD", f"/v2/{NAME}/blobs/{sha256(b'x')}"),
    ("POST", f"/v2/{NAME}/blobs/uploads/"),
    ("POST", "/v2/team/other/blobs/uploads/"),
    ("GET", "/v2/team/other/tags/list"),
    ("DELETE", f"/v2/{NAME}/manifests/1"),
    ("GET", "/v2/_catalog"),
    ("GET", "/api/v1/runs"),
    ("POST", "/api/v1/builds/app/run"),
)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tokens: tokens.own(OWN, GRANTS, 60), [404, 202, 403, 403, 403, 401, 401, 401]),
        (lambda tokens: tokens.own(OWN, BASES, 60), [404, 403, 403, 404, 403, 401, 401, 401]),
        (lambda tokens: tokens.own(OWN, BASES[:1], 60), [401, 403, 403, 401, 403, 401, 401, 401]),
        (lambda tokens: tokens.own(OWN, GRANTS, -120), [401] * 8),
        (lambda tokens: tokens.access(OWN, "", GRANTS, 60), [401] * 8),
        (lambda tokens: tokens.access("root", tokens.mark(OWN, "own$"), GRANTS, 60), [401] * 8),
        (lambda tokens: tokens.own("root", GRANTS, 60), [401] * 8),
        (lambda tokens: Tokens(b"x" * 32, Settings().service).own(OWN, GRANTS, 60), [401] * 8),
    ],
)
async def test_what_a_builds_token_is_good_for(
    make: Callable[[Tokens], str], expected: list[int], tmp_path: Path
) -> None:
    (tmp_path / "pier-registry").mkdir()
    database = f"sqlite://{tmp_path}/pier-registry/registry.db"
    await settle(database)
    async with asyncio.timeout(150), pier_registry(tmp_path, build=[RULE]) as registry:
        records = await open_records(database)
        headers = {"Authorization": f"Bearer {make(await open_tokens(records, Settings().service))}"}
        await records.stop()
        found = []
        async with aiohttp.ClientSession(f"http://{registry.host}", headers=headers) as http:
            for method, path in CALLS:
                async with http.request(method, path) as answer:
                    found.append(answer.status)
    assert found == expected


async def test_calls_that_are_slow_hold_up_nobody(tmp_path: Path) -> None:
    async def never() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    body = pushed("refs/heads/other", "a" * 40)
    large = pushed("refs/heads/main", ZEROS, more="x" * (5 << 20))
    async with (
        asyncio.timeout(150),
        pier_registry(tmp_path, build=[RULE]) as registry,
        aiohttp.ClientSession(f"http://{registry.host}", connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        async with http.post("/hooks/app", data=BytesIO(large), headers=github(large)) as answer:
            assert (answer.status, await answer.json()) == (200, {"message": "nothing to do: it was deleted"})
        slow = [asyncio.create_task(http.post("/hooks/app", data=never(), headers=github(body))) for _ in range(40)]
        for _ in range(20):
            async with http.post("/hooks/app", data=BytesIO(body), headers=github(body)) as answer:
                assert answer.status == 200
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_many_calls_at_once(tmp_path: Path) -> None:
    """All branches of a repository are pushed: each call is taken, and none waits for a lock that others have."""
    async with asyncio.timeout(150), house(tmp_path, RULE | {"branch": "*"}) as home:
        bodies = [pushed(f"refs/heads/b{number}", f"{number:040x}") for number in range(1, 151)]
        answers = await asyncio.gather(*(home.call(body, github(body)) for body in bodies))
        assert [status for status, _ in answers] == [202] * len(bodies), answers
        assert len({said["run"] for _, said in answers}) == len(bodies)


async def test_a_secret_in_a_file(tmp_path: Path) -> None:
    """It is read at each call; while it says nothing, nobody is let in, whatever they sign with."""
    file = tmp_path / "secret"
    rule = {name: value for name, value in RULE.items() if name != "secret"} | {"secret_file": str(file)}
    body, lab = pushed("refs/heads/other", "a" * 40), gitlab_pushed("refs/heads/other", "a" * 40)

    async def status(http: aiohttp.ClientSession, data: bytes, headers: dict[str, str]) -> int:
        async with http.post("/hooks/app", data=BytesIO(data), headers=headers) as answer:
            assert "secret" not in await answer.text() or answer.status >= 403
            return answer.status

    async with (
        asyncio.timeout(150),
        pier_registry(tmp_path, build=[rule]) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        for content, expected in ((None, 503), (" \n", 503), (f"{SECRET}\n", 200), ("another", 403)):
            if content is not None:
                await asyncio.to_thread(file.write_text, content)
            assert await status(http, body, github(body)) == expected
            assert await status(http, lab, gitlab()) == expected
        for empty in (github(body, secret=""), gitlab(secret="")):
            await asyncio.to_thread(file.write_text, "")
            assert await status(http, body, empty) == 503


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret": ""}, "build app: it needs a secret"),
        ({"name": "App"}, "settings: Expected `str` matching regex"),
        ({"engine": "ssh://host"}, "build app: an engine of ssh:// needs an engine_key_file"),
        ({"repository": "/etc"}, "settings: Expected `str` matching regex"),
        ({"repository": "https://me:word@host/x.git"}, "build app: a repository's URL takes no password"),
        (
            {"git_username": "me", "git_password_file": "/nowhere/token"},
            "build app: cannot read the git_password_file /nowhere/token: no such file or directory",
        ),
        (
            {"engine": "tcp://host:2376", "engine_certs": "/nowhere"},
            "build app: cannot read the ca.pem of engine_certs /nowhere/ca.pem: no such file or directory",
        ),
        ({"colour": "red"}, "settings: Object contains unknown field `colour`"),
    ],
)
async def test_settings_that_are_refused(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        async with pier_registry(tmp_path, build=[RULE | changes]):
            pass
    assert message in str(caught.value) and SECRET not in str(caught.value)


async def test_an_engine_that_has_stopped(tmp_path: Path) -> None:
    """Its socket takes calls, and nobody answers them: it is asked again, as one that is away."""
    going = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await going.wait()
        writer.close()

    socket = tmp_path / "engine"
    server = await asyncio.start_unix_server(answer, socket)
    async with server, asyncio.timeout(150), house(tmp_path, RULE | {"engine": f"unix://{socket}"}) as home:
        id = await home.push("refs/heads/main", "a" * 40)
        run = await home.until(id, lambda run: run["state"] == "queued" and run["note"])
        assert run["note"].startswith("the engine does not answer: ")
        going.set()


async def test_an_engine_that_says_strange_things(tmp_path: Path) -> None:
    """Endless lines, bytes that are no text, errors that are no text: runs say so, and end."""
    answers: list[tuple[int, bytes]] = [
        (500, b'{"message": "\\ud800\\u0000' + b"x" * 5000 + b'"}'),
        (400, b"<html>" + b"y" * 5000),
        (200, b'{"stream":"' + b"z" * (5 << 20) + b'"}\r\n' + b'\xff\xfe\x00\n{"error":"\\u0000no"}'),
        (200, b"[1]\n" * 100_000 + b'{"error":{"code":1}}\r\n{"stream":"after"}'),
    ]
    asked = iter(answers)

    async def answer(request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(status=404)
        status, body = next(asked)
        return web.Response(status=status, body=BytesIO(body), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    socket = str(tmp_path / "engine")
    await web.UnixSite(runner, socket).start()
    try:
        async with asyncio.timeout(150), house(tmp_path, RULE | {"engine": f"unix://{socket}"}) as home:
            runs = []
            for _ in answers:
                runs.append(await home.ended(await home.push("refs/heads/main", "a" * 40), "failed"))
    finally:
        await runner.cleanup()
    assert [run["note"][-3:] for run in runs] == ["xxx", "yyy", "no", " 1}"]
    assert all(len(run["note"]) <= 1000 and len(run["log"]) < (1 << 20) + 100 for run in runs)
    assert "after" not in runs[3]["log"] and runs[2]["log"].count("z") > 1 << 19
