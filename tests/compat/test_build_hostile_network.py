"""Sources over the network that fail, hang or lie; over TLS, and through a proxy."""

import contextlib
import hashlib
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.conftest import docker_program
from tests.compat.docker_cli import Docker, eventually
from tests.compat.hostile import assert_sound, dockerfile, engine_with_box
from tests.compat.pier_cli import Pier
from tests.compat.plugins import with_plugins
from tests.compat.sites import Site, certificate, proxy, site
from tests.system.build.gitserver import Project

NAME = "files.example.test"
"""A host that only the proxy knows."""


class World:
    """An engine that trusts ``secure`` and goes through ``proxy`` where the server is not on this host."""

    def __init__(self, engine: RunningEngine, plain: Site, secure: Site, proxy: Site) -> None:
        self.engine = engine
        self.plain = plain
        self.secure = secure
        self.proxy = proxy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("network")
    served = folder / "served"
    served.mkdir()
    (served / "file").write_text("over the net\n")
    (served / "Dockerfile").write_text("FROM box\nRUN echo built\n")
    repository = Project(served)
    repository.commit(text="over git\n", Dockerfile="FROM box\nCOPY text /\nRUN cat /text\n")
    repository.publish()
    trusted = certificate(folder, NAME)
    with (
        site(served) as plain,
        site(served, trusted) as secure,
        proxy(plain, secure) as between,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(folder / "crt"))
        patch.delenv("GIT_SSL_CAINFO", raising=False)
        flags = (f"--http-proxy={between.url}", f"--https-proxy={between.url}")
        with engine_with_box(folder / "engine", *flags) as engine:
            yield World(engine, plain, secure, between)


@pytest.fixture(scope="module")
def pier(world: World, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(world.engine.host, tmp_path_factory.mktemp("config"), "network=1")


@pytest.fixture(scope="module")
def docker(world: World, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    return with_plugins(
        docker_program(), world.engine.host, tmp_path_factory.mktemp("x"), "network=1", ["docker-buildx"]
    )


@pytest.fixture(scope="module")
def classic(world: World, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_BUILDKIT", "0")
        return Docker(docker_program(), world.engine.host, tmp_path_factory.mktemp("classic"), "network=1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def kept(world: World) -> list[str]:
    """What is in the making."""
    root = world.engine.root / "build"
    return [str(path) for path in root.rglob(".new-*")]


# --- where it comes from ---


@pytest.mark.parametrize(
    "url",
    [
        *("{plain}/file", "{secure}/file", "http://NAME/file", "https://NAME/file"),
        *("{plain}/broken/to/broken/to/file", "{plain}/broken/to/{secure}/file"),
        "{secure}/broken/to/http://NAME/file",
    ],
)
def test_a_file(pier: Pier, world: World, project: Path, url: str) -> None:
    """In the clear, over TLS with an authority of one's own, through the proxy; redirects from one to another."""
    told = url.replace("NAME", NAME).format(plain=world.plain.url, secure=world.secure.url)
    digest = hashlib.sha256(b"over the net\n").hexdigest()
    where = dockerfile(project, "FROM box", f"ADD --checksum=sha256:{digest} {told} /it", "RUN cat /it")
    before = len(world.proxy.asked)
    assert " over the net\n" in pier("build", "--progress", "plain", "--no-cache", where).err
    assert (len(world.proxy.asked) > before) == ("NAME" in url)


@pytest.mark.parametrize("url", ["{secure}/repo.git", "http://NAME/repo.git", "https://NAME/repo.git"])
def test_a_repository(pier: Pier, world: World, url: str) -> None:
    told = url.replace("NAME", NAME).format(secure=world.secure.url)
    before = len(world.proxy.asked)
    assert " over git\n" in pier("build", "--progress", "plain", "--no-cache", told).err
    assert (len(world.proxy.asked) > before) == ("NAME" in url)


@pytest.mark.parametrize("url", ["{secure}/Dockerfile", "https://NAME/Dockerfile"])
def test_a_dockerfile_alone(pier: Pier, world: World, url: str) -> None:
    told = url.replace("NAME", NAME).format(secure=world.secure.url)
    assert " built\n" in pier("build", "--progress", "plain", "--no-cache", told).err


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/absent", "invalid response status 404"),
        ("/broken/status/500", "invalid response status 500"),
        ("/broken/loop", "stopped after 10 redirects"),
        ("/broken/to/file:///etc/passwd", 'unsupported protocol scheme "file"'),
        ("/broken/short", "unexpected EOF"),
        ("/broken/cut", "unexpected EOF"),
    ],
)
@pytest.mark.parametrize("as_context", [False, True], ids=["add", "context"])
def test_a_clear_error(pier: Pier, world: World, project: Path, path: str, words: str, as_context: bool) -> None:
    url = world.plain.url + path
    where = url if as_context else dockerfile(project, "FROM box", f"ADD {url} /it")
    assert words in pier.fails("build", where)
    assert kept(world) == []


def test_a_checksum_that_is_another(pier: Pier, world: World, project: Path) -> None:
    where = dockerfile(project, "FROM box", f"ADD --checksum=sha256:{'0' * 64} {world.plain.url}/file /it")
    text = pier.fails("build", where)
    digest = hashlib.sha256(b"over the net\n").hexdigest()
    assert f"digest mismatch sha256:{digest}: sha256:{'0' * 64}" in text and ">>> ADD --checksum" in text


def test_an_authority_that_nobody_knows(pier: Pier, world: World, project: Path, tmp_path: Path) -> None:
    with site(project, certificate(tmp_path)) as unknown:
        for where in (dockerfile(project, "FROM box", f"ADD {unknown.url}/x /it"), f"{unknown.url}/repo.git"):
            text = pier.fails("build", where)
            told = ("x509: certificate signed by unknown authority", "server certificate verification failed")
            assert any(each in text for each in told)


def test_a_proxy_that_is_not_there(tmp_path: Path, project: Path) -> None:
    nobody = "http://127.0.0.1:1"
    with engine_with_box(tmp_path / "engine", f"--http-proxy={nobody}", f"--https-proxy={nobody}") as engine:
        pier = Pier(engine.host, tmp_path, "proxy=1")
        for url in (f"http://{NAME}/file", f"https://{NAME}/file"):
            text = pier.fails("build", dockerfile(project, "FROM box", f"ADD {url} /it"))
            assert "dial tcp 127.0.0.1:1: connect: connection refused" in text


# --- servers that hang ---


SOURCES = {
    "silent": "ADD {plain}/broken/silent /it",
    "stalled": "ADD {plain}/broken/stalled /it",
    "endless": "ADD {plain}/broken/endless /it",
    "redirected": "ADD {plain}/broken/to/{plain}/broken/silent /it",
    "repository": "ADD {plain}/broken/silent/repo.git /it",
    "daemon": "ADD git://{silent}/repo.git /it",
    "context": "{plain}/broken/silent",
    "archive": "{plain}/broken/endless",
    "cloned": "git://{silent}/repo.git",
}


@pytest.mark.parametrize(
    ("client", "name"),
    [(client, name) for client in ("pier", "buildx") for name in SOURCES]
    + [("classic", "silent"), ("classic", "stalled")],
)
def test_a_server_that_never_ends(
    world: World, project: Path, pier: Pier, docker: Docker, classic: Docker, client: str, name: str
) -> None:
    """Whoever does not want to wait need not, and nothing of it is left."""
    with silent() as (listening, address):
        source = SOURCES[name].format(plain=world.plain.url, silent=address)
        where = dockerfile(project, "FROM box", source) if source.startswith("ADD") else source
        asked = len(world.plain.asked)
        command = ("buildx", "build") if client == "buildx" else ("build",)
        cli = {"pier": pier, "buildx": docker, "classic": classic}[client]
        running = cli.spawn(*command, "--no-cache", where, start_new_session=True)
        reached = listening if address in source else None
        eventually(lambda: _connected(reached) if reached else len(world.plain.asked) > asked, "the server is asked")
        os.killpg(running.pid, signal.SIGINT)
        running.communicate(timeout=60)
    assert running.returncode != 0
    eventually(lambda: not gits(world) and not kept(world), "nothing is fetched any more")
    assert_sound(world.engine, pier)


@contextmanager
def silent() -> Iterator[tuple[socket.socket, str]]:
    """One that accepts and says nothing, and its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening, f"127.0.0.1:{listening.getsockname()[1]}"


def _connected(listening: socket.socket) -> bool:
    return bool(select.select([listening], [], [], 0)[0])


def gits(world: World) -> list[str]:
    """Processes that fetch for this engine."""
    marker, found = f"PIER_BUILD_GIT={world.engine.root}/".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
    return found
