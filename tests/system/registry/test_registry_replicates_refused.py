"""Replications to and from registries that refuse us, and what people are told of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from pier.testing.registry import PASSWORD, USER, distribution
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.images import image, push
from tests.system.registry.replicating import ran, rule, run


@asynccontextmanager
async def serving(folder: Path, *rules: dict[str, Any]) -> AsyncIterator[tuple[PierRegistry, aiohttp.ClientSession]]:
    async with (
        pier_registry(folder, replication=list(rules)) as mine,
        aiohttp.ClientSession(f"http://{mine.host}") as http,
    ):
        yield mine, http


async def test_a_wrong_password_is_not_taken_for_a_registry_that_lists_nothing(tmp_path: Path) -> None:
    async with distribution(tmp_path, htpasswd=True) as other:
        remote = {"url": f"http://{other.host}", "username": USER, "password": "wrong"}
        async with serving(tmp_path, {**rule("pull", other.host), "remote": remote}) as (_, here):
            found = await ran(here)
            assert found["state"] == "failed" and "it refuses our name and password" in found["note"], found
            assert "name them" not in found["note"]


async def test_who_may_not_write_there_is_told_nothing_of_pulls(tmp_path: Path) -> None:
    """The server's log says how it ended, too."""
    (tmp_path / "htpasswd").write_text(f"{USER}:$2y$05$GTtJ6nkn1Se4lZKDCUJtieNr5JDi4ZiRBMfBiZyaZD1HWG/.rYtlC\n")
    users = {"htpasswd": str(tmp_path / "htpasswd"), "default_role": ""}
    async with pier_registry(tmp_path / "there", **users) as other:
        remote = {"url": f"http://{other.host}", "username": USER, "password": PASSWORD}
        rules = [{**rule("push", other.host, on_push=False), "remote": remote}]
        async with serving(tmp_path / "here", *rules) as (mine, here):
            await push(here, "app", "1", image(1000))
            found = await ran(here)
            assert found["note"].endswith("1 failed: denied: requested access to the resource is denied"), found
            assert "a replication ended" in mine.log.read_text()


async def test_jobs_of_all_replications(tmp_path: Path) -> None:
    async with serving(tmp_path, rule("pull", "127.0.0.1:1", names=["app"])) as (_, here):
        await run(here)
        for kind, count in (("replication", 1), ("replication/mirror", 1), ("replication/other", 0), ("", 1)):
            async with here.get(f"/api/v1/jobs?kind={kind}") as answer:
                assert len(await answer.json()) == count
