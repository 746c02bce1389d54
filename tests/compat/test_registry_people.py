"""``docker``, ``pier`` and skopeo as people of our own registry: signing in, rights, the public, wrong passwords."""

import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pier.testing.registrypeople import ROBOT, password, settle
from pier.testing.registryserver import pier_registry
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier

DENIED = "denied: requested access to the resource is denied"


@dataclass(frozen=True)
class House:
    """``robot`` is the secret of team's robot."""

    host: str
    robot: str
    log: Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "pier-registry").mkdir()
    robot = await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    async with pier_registry(tmp_path) as registry:
        yield House(registry.host, robot, registry.log)


@pytest.fixture(params=["docker", "pier"])
def client(request: pytest.FixtureRequest, cli: Docker, tmp_path: Path) -> Docker:
    """Both commands, aimed at the same engine."""
    return cli if request.param == "docker" else Pier(cli.host, tmp_path, cli.label)


def archive(reference: str) -> bytes:
    return docker_archive(ImageParts([file_layer({"who": reference.encode()})]), reference)


def login(client: Docker, host: str, name: str, word: str = "") -> str:
    given = (word or password(name)).encode()
    return client("login", "-u", name, "--password-stdin", host, stdin=given).out


def test_people_and_their_rights(client: Docker, house: House, name: str) -> None:
    mine, others = f"{house.host}/team/{name}:1", f"{house.host}/other/{name}:1"
    for reference in (mine, others):
        client("load", stdin=archive(reference))
    client.fails("push", mine)
    assert "unauthorized: incorrect username or password" in client.fails(
        "login", "-u", "bob", "--password-stdin", house.host, stdin=b"wrong"
    )
    assert "Login Succeeded" in login(client, house.host, "bob")
    client("push", mine)
    assert DENIED in client.fails("push", others)
    client("rmi", mine)
    client("pull", mine)
    client("logout", house.host)
    client("rmi", mine)
    client.fails("pull", mine)
    login(client, house.host, "cat")
    client("pull", mine)
    assert DENIED in client.fails("push", mine)
    client("logout", house.host)
    client("rmi", mine, others)
    said = house.log.read_text()
    assert "wrong" not in said
    assert password("bob") not in said


def test_anybody_pulls_what_is_public_and_nothing_else(client: Docker, house: House, name: str) -> None:
    public, private = f"{house.host}/site/{name}:1", f"{house.host}/team/{name}:1"
    login(client, house.host, "root")
    for reference in (public, private):
        client("load", stdin=archive(reference))
        client("push", reference)
        client("rmi", reference)
    client("logout", house.host)
    client("pull", public)
    client.fails("push", public)
    client("rmi", public)
    client.fails("pull", private)


def test_a_robot_pushes(client: Docker, house: House, name: str) -> None:
    reference = f"{house.host}/team/{name}:1"
    client("load", stdin=archive(reference))
    assert "Login Succeeded" in login(client, house.host, ROBOT, house.robot)
    client("push", reference)
    client("logout", house.host)
    client("rmi", reference)


def test_layers_of_a_readable_repository_are_mounted(client: Docker, house: House, name: str) -> None:
    first, second = f"{house.host}/team/{name}:1", f"{house.host}/team/{name}-2:1"
    login(client, house.host, "bob")
    client("load", stdin=archive(first))
    client("push", first)
    client("tag", first, second)
    assert f"Mounted from team/{name}" in client("push", second).out
    client("logout", house.host)
    client("rmi", first, second)


def test_search(client: Docker, house: House, name: str) -> None:
    """Of what anybody may read; for who has signed in, of what they may read."""
    public, private = f"{house.host}/site/{name}", f"{house.host}/team/{name}"
    login(client, house.host, "root")
    for reference in (public, private):
        client("load", stdin=archive(f"{reference}:1"))
        client("push", f"{reference}:1")
        client("rmi", f"{reference}:1")
    client("logout", house.host)
    ask = ("search", "--format", "{{.Name}}", f"{house.host}/{name}")
    assert client(*ask).lines == [f"site/{name}"]
    login(client, house.host, "root")
    assert client(*ask).lines == [f"site/{name}", f"team/{name}"]
    client("logout", house.host)


def skopeo(*words: str, code: int = 0) -> str:
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_skopeo(house: House, name: str, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(archive("image:1"))
    source, target = f"docker-archive:{tmp_path}/image.tar", f"docker://{house.host}/team/{name}:1"
    put = ("copy", "-q", "--dest-tls-verify=false")
    skopeo(*put, source, target, code=1)
    assert "unauthorized" in skopeo(*put, "--dest-creds", "bob:wrong", source, target, code=1).lower()
    assert "denied" in skopeo(*put, "--dest-creds", f"cat:{password('cat')}", source, target, code=1).lower()
    skopeo(*put, "--dest-creds", f"{ROBOT}:{house.robot}", source, target)
    ask = ("--tls-verify=false", "--creds")
    skopeo("inspect", *ask, f"cat:{password('cat')}", target)
    skopeo("inspect", *ask, f"eve:{password('eve')}", target, code=1)
    skopeo("delete", *ask, f"bob:{password('bob')}", target, code=1)
    skopeo("delete", *ask, f"ann:{password('ann')}", target)
