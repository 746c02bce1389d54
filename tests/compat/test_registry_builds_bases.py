"""Automated builds on images that only some may pull, and by an engine that speaks TLS."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pier.linux import process
from pier.testing.engine import RunningEngine
from pier.testing.registry import free_port
from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.compat.hostile import engine_with_box
from tests.compat.registrybuilding import House, daemon, house, repository, rule_of
from tests.system.build.gitserver import Project

MAIN = "refs/heads/main"
FILES = ("ca.pem", "cert.pem", "key.pem")
ROOT = {"Authorization": aiohttp.encode_basic_auth("root", password("root"))}

__all__ = ["daemon", "repository"]


@pytest.fixture
def rule(daemon: RunningEngine, repository: tuple[Project, str]) -> dict[str, Any]:
    return rule_of(daemon, repository[1], pull=True)


async def peopled(folder: Path) -> None:
    (folder / "pier-registry").mkdir(parents=True)
    await settle(f"sqlite://{folder}/pier-registry/registry.db")


@asynccontextmanager
async def with_people(folder: Path) -> AsyncIterator[PierRegistry]:
    await peopled(folder)
    async with pier_registry(folder) as registry:
        yield registry


def put_base(engine: RunningEngine, host: str, name: str) -> str:
    """``box`` in the registry, and not in the engine by that name; how a Dockerfile calls it."""
    reference = f"{host}/{name}"
    assert engine.request("POST", f"/images/box/tag?repo={reference}&tag=1")[0] == 201
    login = {"username": "root", "password": password("root")}
    auth = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
    said = engine.request("POST", f"/images/{reference}/push?tag=1", headers={"X-Registry-Auth": auth})
    assert said[0] == 200 and "error" not in str(said[1]), said
    assert engine.request("DELETE", f"/images/{reference}:1")[0] == 200
    return f"{reference}:1"


async def built(made: House, project: Project, base: str, state: str = "done") -> dict[str, Any]:
    commit = project.commit(Dockerfile=f"FROM {base}\nRUN echo begun from it\n")
    project.publish()
    return await made.ended(await made.push(MAIN, commit), state)


async def test_base_images_of_this_registry(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    """Those of the image's own project without a word; others where the rule says so. To read, and no more."""
    await peopled(tmp_path)
    project, _ = repository
    both = rule | {"name": "wide", "reads": ["ops/*"]}
    async with asyncio.timeout(150), house(tmp_path, rule, ROOT, [both]) as made:
        host = made.registry.host
        own, other = [await asyncio.to_thread(put_base, daemon, host, name) for name in ("team/a/base", "ops/base")]
        run = await built(made, project, own)
        assert "begun from it" in run["log"], run
        refused = await built(made, project, other, "failed")
        assert "denied" in refused["note"], refused
        commit = project.git("rev-parse", "HEAD")
        async with made.http.post("/api/v1/builds/wide/run", json={"ref": MAIN, "commit": commit}) as answer:
            await made.ended((await answer.json())["run"])
        log = made.registry.log.read_text()
        assert "eyJ" not in log + str(run) + str(refused)


async def test_base_images_of_other_registries(
    tmp_path: Path, rule: dict[str, Any], daemon: RunningEngine, repository: tuple[Project, str]
) -> None:
    project, _ = repository
    file = tmp_path / "password"
    async with asyncio.timeout(150), with_people(tmp_path / "other") as other:
        base = await asyncio.to_thread(put_base, daemon, other.host, "team/base")
        async with house(tmp_path / "without", rule) as made:
            refused = await built(made, project, base, "failed")
            assert "authentication required" in refused["note"] or "denied" in refused["note"], refused
        await asyncio.to_thread(file.write_text, f"{password('cat')}\n")
        bases = [{"registry": other.host, "username": "cat", "password_file": str(file)}]
        async with house(tmp_path / "with", rule | {"bases": bases}) as made:
            run = await built(made, project, base)
            assert "begun from it" in run["log"]
            await asyncio.to_thread(file.write_text, "wrong")
            refused = await built(made, project, base, "failed")
            await asyncio.to_thread(file.write_text, "")
            empty = await built(made, project, base, "failed")
            assert empty["note"] == f"the password_file of {other.host} {file} has to hold one line, the password"
            kept = [path.read_bytes() for path in made.registry.root.rglob("*") if path.is_file()]
            assert not any(password("cat").encode() in each for each in kept)
            assert password("cat") not in made.registry.log.read_text() + str(run) + str(refused)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem; cert.pem and key.pem of it, for both sides; ``other`` has another authority's."""
    folder = tmp_path_factory.mktemp("certificates")
    for place in (folder, folder / "other"):
        place.mkdir(exist_ok=True)
        new = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]
        authority = ["-subj", "/CN=authority", "-keyout", f"{place}/ca.key", "-out", f"{place}/ca.pem"]
        signed = ["-CA", f"{place}/ca.pem", "-CAkey", f"{place}/ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
        plain = ["-addext", "basicConstraints=critical,CA:FALSE"]
        own = ["-subj", "/CN=engine", "-keyout", f"{place}/key.pem", "-out", f"{place}/cert.pem"]
        for words in ([*new, *authority], [*new, *signed, *plain, *own]):
            made = process.run_sync(words)
            assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[tuple[RunningEngine, str]]:
    """An engine that lets in who has a certificate of the authority's; and its address."""
    address = f"tcp://127.0.0.1:{free_port()}"
    names = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
    flags = [word for flag, name in names.items() for word in (f"--{flag}", str(certificates / name))]
    with engine_with_box(tmp_path_factory.mktemp("tls") / "engine", "-H", address, "--tlsverify", *flags) as engine:
        yield engine, address


async def test_an_engine_over_tls(
    tmp_path: Path,
    rule: dict[str, Any],
    secure: tuple[RunningEngine, str],
    certificates: Path,
    repository: tuple[Project, str],
) -> None:
    _, address = secure
    project, _ = repository
    behind = rule | {"engine": address, "engine_certs": str(certificates), "pull": False}
    async with asyncio.timeout(150), house(tmp_path / "right", behind) as made:
        await built(made, project, "box")
        assert await made.tags() == ["latest"]
    for wrong, said in (("ca.pem", "vouches for"), ("cert.pem key.pem", "does it take the cert.pem in")):
        mixed = tmp_path / wrong
        mixed.mkdir()
        for name in FILES:
            (mixed / name).write_bytes((certificates / ("other" if name in wrong else "") / name).read_bytes())
        mistaken = behind | {"engine_certs": str(mixed)}
        async with asyncio.timeout(150), house(tmp_path / said, mistaken) as made:
            note = await made.noted(await made.push(MAIN, project.git("rev-parse", "HEAD")))
            assert said in note and str(mixed) in note
