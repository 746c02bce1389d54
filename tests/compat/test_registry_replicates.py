"""Replication to and from Debian's Distribution, which knows no referrers and deletes no tags."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor
from pier.registry.remotes import Remotes
from pier.registry.settings import Remote
from pier.remote import push as pushing
from pier.testing.registry import PASSWORD, USER, distribution
from pier.testing.registryserver import pier_registry
from pier.testing.tokens import token_server
from tests.system.registry.images import Image, assert_whole, delete, image, push
from tests.system.registry.replicating import (
    digest,
    push_index,
    put_together,
    ran,
    referring,
    sign,
)
from tests.system.registry.waiting import eventually

KIB = 1024
ACCEPT = f"{mediatypes.OCI_INDEX}, {mediatypes.OCI_MANIFEST}"
"""Without it Distribution shows neither."""


def rule(direction: str, remote: Remote, **more: Any) -> dict[str, Any]:
    signing = {"username": remote.username, "password": remote.password} if remote.username else {}
    return {"name": "mirror", "direction": direction, "remote": {"url": remote.url, **signing}, **more}


@asynccontextmanager
async def serving(folder: Path, *rules: dict[str, Any]) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        pier_registry(folder, replication=list(rules)) as registry,
        aiohttp.ClientSession(f"http://{registry.host}") as http,
    ):
        yield http


async def bring(remote: Remote, name: str, tag: str, *images: Image) -> Image:
    """Push an image, or an index of several, to any registry."""
    remotes = Remotes()
    try:
        there = remotes.repository(remote, name, push=True)
        for each in images:
            for blob in each.blobs:
                await pushing.upload(there, partial(pieces, blob), Descriptor("x/y", sha256(blob), len(blob)))
            reference = tag if len(images) == 1 else each.digest
            await pushing.put_manifest(there, reference, each.manifest, mediatypes.OCI_MANIFEST)
        if len(images) == 1:
            return images[0]
        index = put_together(*images)
        await pushing.put_manifest(there, tag, index.manifest, mediatypes.OCI_INDEX)
        return index
    finally:
        await remotes.stop()


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_distribution_gets_all_and_finds_signatures_by_their_tag(tmp_path: Path) -> None:
    images = [image(10 * KIB), image(20 * KIB)]
    async with (
        distribution(tmp_path) as other,
        aiohttp.ClientSession(f"http://{other.host}", headers={"Accept": ACCEPT}) as there,
    ):
        mine = rule("push", Remote(url=f"http://{other.host}"), prefix="copy/", deletions=True)
        async with serving(tmp_path, mine) as here:
            index = await push_index(here, "team/app", "1", images)
            signatures = {await sign(here, "team/app", index, text) for text in (b"one", b"two")}
            await eventually(lambda: listed(there, index, len(signatures)))
            for each in images:
                await assert_whole(there, "copy/team/app", each.digest, each)
            found = await tagged(there, index)
            assert {each["digest"] for each in found} == signatures
            assert {each["artifactType"] for each in found} == {"application/vnd.example.signature"}
            again = await ran(here)
            assert again["note"].startswith("0 copied (0 bytes), 1 there already"), again
            await push(here, "team/app", "2", images[0])
            await eventually(lambda: digest(there, "copy/team/app", "2"))
            await delete(here, "team/app", "2")
            await eventually(lambda: is_gone(there, "copy/team/app", "2"))
            assert await digest(there, "copy/team/app", "1")


async def listed(http: aiohttp.ClientSession, subject: Image, count: int) -> bool:
    return len(await tagged(http, subject)) == count


async def tagged(http: aiohttp.ClientSession, subject: Image) -> list[dict[str, Any]]:
    """What refers to it, as registries before OCI distribution 1.1 know it."""
    url = f"/v2/copy/team/app/manifests/sha256-{subject.digest[7:]}"
    async with http.get(url) as answer:
        found: list[dict[str, Any]] = json.loads(await answer.read())["manifests"] if answer.status == 200 else []
        return found


async def is_gone(http: aiohttp.ClientSession, name: str, reference: str) -> bool:
    return not await digest(http, name, reference)


async def test_distribution_is_mirrored_with_what_refers_to_images(tmp_path: Path) -> None:
    images = [image(10 * KIB), image(20 * KIB)]
    async with distribution(tmp_path, htpasswd=True) as other:
        remote = Remote(url=f"http://{other.host}", username=USER, password=PASSWORD)
        index = await bring(remote, "team/app", "1", *images)
        single = await bring(remote, "team/other", "v1", images[0])
        await bring(remote, "team/other", "v1-dev", images[1])
        async with serving(tmp_path / "source", rule("push", remote, on_push=False)) as source:
            await push_index(source, "team/app", "1", images)
            signature = await sign(source, "team/app", index, b"signed")
            assert (await ran(source))["state"] == "done"
        mine = rule("pull", remote, names=["team/*"], tags=["*", "!*-dev"], prefix="copy/", deletions=True)
        async with serving(tmp_path, mine) as here:
            found = await ran(here)
            assert found["state"] == "done", found
            for each in images:
                await assert_whole(here, "copy/team/app", each.digest, each)
            await assert_whole(here, "copy/team/other", "v1", single)
            assert await referring(here, "copy/team/app", index) == [signature]
            assert not await digest(here, "copy/team/other", "v1-dev")
            headers = {"Authorization": aiohttp.encode_basic_auth(USER, PASSWORD)}
            async with aiohttp.ClientSession(f"http://{other.host}", headers=headers) as there:
                await delete(there, "team/other", single.digest)
            assert "1 deleted" in (await ran(here))["note"]
            assert not await digest(here, "copy/team/other", "v1")


async def test_tokens_for_all_that_is_asked(tmp_path: Path) -> None:
    """The catalogue, mounts and deletions each want a token of their own."""
    shared = image(200 * KIB).blobs[1:]
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as other:
        remote = Remote(url=f"http://{other.host}", username=USER, password=PASSWORD)
        made = [image(KIB, also=shared) for _ in range(2)]
        async with serving(tmp_path / "source", rule("push", remote, deletions=True)) as source:
            for number, each in enumerate(made):
                await push(source, f"team/app{number}", "1", each)
            assert (await ran(source))["state"] == "done"
            await push(source, "team/app0", "2", image(KIB))
            await eventually(lambda: idle(source))
            await delete(source, "team/app0", "2")
            await eventually(lambda: idle(source))
            runs = await (await source.get("/api/v1/runs")).json()
            assert {each["state"] for each in runs} == {"done"}, runs
            assert any("1 deleted" in each["note"] for each in runs)
            moved = sum(int(each["note"].partition("(")[2].partition(" ")[0]) for each in runs)
            assert moved < 300 * KIB
        async with serving(tmp_path, rule("pull", remote)) as here:
            found = await ran(here)
            assert (found["state"], found["note"].partition(" (")[0]) == ("done", "2 copied"), found
            for number, each in enumerate(made):
                await assert_whole(here, f"team/app{number}", "1", each)


async def idle(http: aiohttp.ClientSession) -> bool:
    return not await (await http.get("/api/v1/jobs")).json()
