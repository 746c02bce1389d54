"""For the tests of automated builds: a registry, an engine and a repository, and the calls of Git services."""

import hashlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.testing.engine import RunningEngine
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.hostile import engine_with_box
from tests.system.build.gitserver import Project, git_daemon
from tests.system.registry.waiting import eventually

SECRET = "a-secret-that-is-nowhere-else"
NAME = "team/app"
ZEROS = "0" * 40
_LONG = 300


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("builds") / "engine") as engine:
        yield engine


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[Project, str]]:
    with project(tmp_path) as made:
        yield made


def rule_of(engine: RunningEngine, url: str, **more: Any) -> dict[str, Any]:
    """The settings' table of the build ``app``: of the branch ``main``, if ``more`` does not say otherwise."""
    return {
        "name": "app",
        "repository": url,
        "branch": "main",
        "image": NAME,
        "secret": SECRET,
        "engine": engine.host,
        **more,
    }


def pushed(ref: str, commit: str, **more: Any) -> bytes:
    """GitHub's event, as far as anybody reads it; no two are the same."""
    gone = commit == ZEROS
    event = {
        "ref": ref,
        "before": "a" * 40,
        "after": commit,
        "created": False,
        "deleted": gone,
        "forced": False,
        "compare": "https://github.com/me/app/compare/aaaaaaaaaaaa...",
        "head_commit": None if gone else {"id": commit, "message": "more", "timestamp": "2026-11-21T12:00:00Z"},
        "repository": {"id": 1, "full_name": "me/app", "clone_url": "https://github.com/me/app.git", "private": False},
        "pusher": {"name": "me", "email": "me@example.com"},
        "sender": {"login": "me", "id": uuid.uuid4().hex},
        **more,
    }
    return json.dumps(event).encode()


def github(body: bytes, event: str = "push", secret: str = SECRET, delivery: str = "") -> dict[str, str]:
    """The headers."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0123456",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def gitlab(event: str = "Push Hook", secret: str = SECRET, delivery: str = "") -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-Gitlab-Event": event,
        "X-Gitlab-Token": secret,
        "X-Gitlab-Event-UUID": delivery or str(uuid.uuid4()),
    }


def gitlab_pushed(ref: str, commit: str, *, tag: bool = False) -> bytes:
    event: dict[str, Any] = {
        "object_kind": "tag_push" if tag else "push",
        "event_name": "tag_push" if tag else "push",
        "before": "a" * 40,
        "after": commit,
        "ref": ref,
        "checkout_sha": None if commit == ZEROS else commit,
        "user_username": "me",
        "project": {"id": 15, "path_with_namespace": "me/app", "git_http_url": "http://example.com/me/app.git"},
        "commits": [],
        "total_commits_count": 0,
    }
    return json.dumps(event).encode()


@dataclass(frozen=True)
class House:
    """``rule`` is the settings' table of the build ``app``."""

    registry: PierRegistry
    http: aiohttp.ClientSession
    rule: dict[str, Any]

    async def call(self, body: bytes, headers: dict[str, str], name: str = "app") -> tuple[int, dict[str, Any]]:
        async with self.http.post(f"/hooks/{name}", data=BytesIO(body), headers=headers) as answer:
            return answer.status, await answer.json()

    async def push(self, ref: str, commit: str, name: str = "app") -> str:
        """The run's ID. ``name``: of the build."""
        body = pushed(ref, commit)
        status, said = await self.call(body, github(body), name)
        assert status == 202, said
        return str(said["run"])

    async def run(self, id: str) -> dict[str, Any]:
        async with self.http.get(f"/api/v1/runs/{id}") as answer:
            found: dict[str, Any] = await answer.json()
            assert answer.status == 200, found
            return found

    async def runs(self) -> list[dict[str, Any]]:
        async with self.http.get("/api/v1/runs?kind=build") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def jobs(self) -> list[dict[str, Any]]:
        async with self.http.get("/api/v1/jobs") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def until(self, id: str, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The caller limits the time."""

        async def there() -> dict[str, Any] | None:
            found = await self.run(id)
            if holds(found):
                return found
            assert found["state"] not in ("done", "failed"), found
            return None

        found: dict[str, Any] = await eventually(there, _LONG)
        return found

    async def noted(self, id: str) -> str:
        """What its first attempt came to."""

        async def there() -> str:
            return str((await self.run(id))["note"])

        return str(await eventually(there, _LONG))

    async def ended(self, id: str, state: str = "done") -> dict[str, Any]:
        found = await self.until(id, lambda run: run["state"] in ("done", "failed"))
        assert found["state"] == state, found
        return found

    async def idle(self) -> bool:
        return not await self.jobs()

    async def tags(self) -> list[str]:
        async with self.http.get(f"/v2/{NAME}/tags/list") as answer:
            return sorted((await answer.json()).get("tags") or ())


@contextmanager
def project(folder: Path) -> Iterator[tuple[Project, str]]:
    """With a Dockerfile on its branch ``main``, published; and its URL."""
    served = folder / "served"
    served.mkdir()
    made = Project(served)
    made.commit("one", Dockerfile='FROM box\nARG WHO=nobody\nCOPY text /\nRUN echo "built for $WHO"\n', text="one\n")
    made.publish()
    with git_daemon(served) as url:
        yield made, f"{url}/repo.git"


@asynccontextmanager
async def house(
    folder: Path,
    rule: dict[str, Any],
    headers: dict[str, str] | None = None,
    also: Sequence[dict[str, Any]] = (),
    **settings: Any,
) -> AsyncIterator[House]:
    """``also``: other builds."""
    async with (
        pier_registry(folder, build=[rule, *also], **settings) as registry,
        aiohttp.ClientSession(f"http://{registry.host}", headers=headers) as http,
    ):
        yield House(registry, http, rule)
