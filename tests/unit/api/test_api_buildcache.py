"""``/build/prune``: what Docker's clients send, and the words in which Docker refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest

from pier.api.buildcache import describe, prune_cache
from pier.api.services import Services
from pier.build.cache import CacheRecord
from pier.build.caching.usage import Entry, usage
from tests.unit.api.api_server import exchange, serving
from tests.unit.build.solver.workshop import Workshop, line


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.images.snapshots.close()


async def prune(shop: Workshop, query: str, filters: dict[str, list[str]] | None = None) -> tuple[int, Any]:
    if filters is not None:
        query += "&filters=" + quote(json.dumps(filters))
    async with serving(prune_cache, services=cast(Services, SimpleNamespace(builds=shop.deps))) as path:
        sent = f"POST /build/prune?{query} HTTP/1.0\r\nHost: d\r\n\r\n".encode()
        answer = await exchange(path, sent, half_close=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def test_all(shop: Workshop) -> None:
    await shop.solve(line("write a", "write b"))
    names = {entry.id for entry in usage(shop.deps)}
    status, answer = await prune(shop, "all=1")
    assert (status, set(answer["CachesDeleted"]), answer["SpaceReclaimed"]) == (200, names, 2)
    assert await prune(shop, "all=1") == (200, {"CachesDeleted": None, "SpaceReclaimed": 0})


@pytest.mark.parametrize(
    ("filters", "gone"),
    [
        ({"id": ["ID"]}, 1),
        ({"id": ["absent"]}, 0),
        ({"type": ["regular"]}, 2),
        ({"type": ["source.local"]}, 0),
        ({"description": ["write b"]}, 1),
        ({"parent": ["PARENT"]}, 1),
        ({"until": ["1h"]}, 0),
        ({"unused-for": ["0s"]}, 2),
        ({"inuse": ["true"]}, 0),
        ({"private": ["true"]}, 2),
        ({"private": []}, 2),
        ({"shared": ["1"]}, 0),
        ({"shared": ["false"]}, 2),
        ({"inuse": ["bogus"]}, 0),
        ({"type": ["regular"], "description": ["write a"]}, 1),
    ],
)
async def test_filters(shop: Workshop, filters: dict[str, list[str]], gone: int) -> None:
    await shop.solve(line("write a", "write b"))
    upper, lower = sorted(usage(shop.deps), key=lambda entry: entry.record.description, reverse=True)
    words = {"ID": upper.id[:12], "PARENT": lower.id}
    asked = {name: [words.get(value, value) for value in values] for name, values in filters.items()}
    status, answer = await prune(shop, "", asked)
    assert (status, len(answer["CachesDeleted"] or [])) == (200, gone)


@pytest.mark.parametrize("name", ["keep-storage", "reserved-space", "max-used-space"])
async def test_sizes(shop: Workshop, name: str) -> None:
    await shop.solve(line("write aaaaaaaaaa", "write bbbbb"))
    status, answer = await prune(shop, f"{name}=12")
    assert (status, answer["SpaceReclaimed"]) == (200, 5)


@pytest.mark.parametrize(
    ("query", "filters", "message"),
    [
        (
            "keep-storage=abc",
            None,
            'keep-storage is in bytes and expects an integer, got abc: strconv.Atoi: parsing "abc": invalid syntax',
        ),
        ("", {"foo": ["x"]}, "failed to prune build cache: invalid filter 'foo'"),
        ("", {"id": ["x", "y"]}, "failed to prune build cache: filters expect only one value"),
        (
            "",
            {"until": ["zzz"]},
            "failed to prune build cache: \"until\" filter expects a duration (e.g., '24h') or a timestamp: "
            'failed to parse value as time or duration: "zzz"',
        ),
        (
            "",
            {"until": ["1h"], "unused-for": ["1h"]},
            'failed to prune build cache: conflicting filters: "until" and "unused-for"',
        ),
        ("filters=zz", None, "invalid filter"),
    ],
)
async def test_refusals(shop: Workshop, query: str, filters: dict[str, list[str]] | None, message: str) -> None:
    assert await prune(shop, query, filters) == (400, {"message": message})


def test_the_shape_of_each_version() -> None:
    record = CacheRecord(key="k", description="[2/2] RUN x", created=1_700_000_000 * 10**9, used=0, uses=0)
    entry = Entry("id", record, 7, parents=("p", "q"))
    newest = describe(entry, (1, 51))
    assert newest == {
        "ID": "id",
        "Parents": ["p", "q"],
        "Type": "regular",
        "Description": "[2/2] RUN x",
        "InUse": False,
        "Shared": False,
        "Size": 7,
        "CreatedAt": "2023-11-14T22:13:20Z",
        "LastUsedAt": None,
        "UsageCount": 0,
    }
    old = describe(entry, (1, 41))
    assert (old["Parent"], "Parents" in old) == ("p", False)
