"""``pull``, ``push`` and ``search``: both clients on one engine, and one registry."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pier.testing.faulty_registry import faulty_registry, say
from pier.testing.registry import Distribution, distribution
from tests.compat.archives import ImageParts, docker_archive, file_layer
from tests.compat.conftest import Engine
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import ANY_CODE, Pier, Said, said


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Distribution]:
    async with distribution(tmp_path) as running:
        yield running


@pytest.fixture
def pier(engine: Engine, cli: Docker, tmp_path: Path) -> Pier:
    return Pier(engine.host, tmp_path / "pier-config", cli.label)


@pytest.fixture
def repository(cli: Docker, registry: Distribution, name: str) -> Iterator[str]:
    """With the tags 1 and 2 in the registry, and nothing of it here."""
    made = f"{registry.host}/{name}"
    for tag in ("1", "2"):
        cli("load", stdin=docker_archive(ImageParts([file_layer({tag: name.encode()})]), f"{made}:{tag}"))
        cli("push", "-q", f"{made}:{tag}")
    forget(cli, made)
    yield made
    forget(cli, made)


def forget(cli: Docker, repository: str) -> None:
    if left := cli("images", "-q", repository).lines:
        cli("rmi", "-f", *set(left))


def same(cli: Docker, pier: Pier, *args: str, fresh: str = "") -> Said:
    """What both say; before each, nothing of the repository ``fresh`` is here. Layers come in any order."""
    told = []
    for client in (cli, pier):
        if fresh:
            forget(cli, fresh)
        told.append(said(client(*args, code=ANY_CODE)))
    theirs, ours = (Said(each.code, "\n".join(sorted(each.out.splitlines())), each.err) for each in told)
    assert ours == theirs
    return told[1]


def test_pulling(cli: Docker, pier: Pier, repository: str) -> None:
    assert "Downloaded newer image" in same(cli, pier, "pull", f"{repository}:1", fresh=repository).out
    assert "Image is up to date" in same(cli, pier, "pull", f"{repository}:1").out
    assert same(cli, pier, "pull", "-q", f"{repository}:2", fresh=repository).out == f"{repository}:2\n"
    assert same(cli, pier, "pull", "-a", repository, fresh=repository).out.count("Digest: ") == 2
    assert same(cli, pier, "pull", "-aq", repository).out == f"{repository}\n"
    digest = json.loads(cli("image", "inspect", "-f", "{{json .RepoDigests}}", f"{repository}:1").out)[0]
    told = same(cli, pier, "image", "pull", digest, fresh=repository)
    assert f"{digest}: Pulling from" in told.out and told.out.endswith(f"{digest}\n")
    assert same(cli, pier, "pull", "-q", f"{repository}:1@{digest.partition('@')[2]}", fresh=repository).code == 0


def test_pulls_that_fail(cli: Docker, pier: Pier, repository: str, registry: Distribution) -> None:
    assert "manifest unknown" in same(cli, pier, "pull", repository).err
    assert "name unknown" in same(cli, pier, "pull", "-a", f"{registry.host}/gone").err
    assert same(cli, pier, "pull", "-a", f"{repository}:1").err == "tag can't be used with --all-tags/-a\n"
    assert "unknown operating system" in same(cli, pier, "pull", "--platform", "foo", repository).err
    assert "connection refused" in same(cli, pier, "pull", "127.0.0.1:9/x").err
    assert "no such host" in same(cli, pier, "pull", "nowhere.invalid/x").err
    forget(cli, repository)
    told = same(cli, pier, "pull", "--platform", "linux/s390x", f"{repository}:1", fresh=repository)
    assert "does not match the specified platform" in told.err


def test_pushing(cli: Docker, pier: Pier, repository: str) -> None:
    cli("pull", "-aq", repository)
    told = same(cli, pier, "push", f"{repository}:1")
    assert "Layer already exists" in told.out and re.search(r"^1: digest: sha256:\w{64} size: \d+$", told.out, re.M)
    assert same(cli, pier, "push", "-q", f"{repository}:1").out == f"{repository}:1\n"
    assert same(cli, pier, "push", "-a", repository).out.count("digest: ") == 2
    assert same(cli, pier, "push", "-aq", repository).out == f"{repository}\n"
    assert "tag does not exist" in same(cli, pier, "push", repository).err
    assert same(cli, pier, "push", "-a", f"{repository}:1").code == 1
    assert "cannot push a digest" in same(cli, pier, "push", f"{repository}@sha256:{'0' * 64}").err
    assert "does not exist locally" in same(cli, pier, "push", "127.0.0.1:9/x").err


def test_platforms(cli: Docker, pier: Pier, repository: str, tmp_path: Path) -> None:
    """All of it came with API 1.50: an older Docker fails here."""
    image = f"{repository}:1"
    cli("pull", "-q", image)
    archive = str(tmp_path / "image.tar")
    cli("save", "-o", archive, image)
    for wanted, code in (("linux/amd64", 0), ("linux/arm64", 1), ("foo", 1)):
        flag = ("--platform", wanted)
        for args in (
            ("image", "inspect", *flag, image),
            ("history", *flag, image),
            ("save", *flag, "-o", str(tmp_path / "other.tar"), image),
            ("load", "-q", *flag, "-i", archive),
        ):
            assert same(cli, pier, *args).code == code
        theirs, ours = (client("push", *flag, image, code=code) for client in (cli, pier))
        assert theirs.out.endswith(ours.out), "Docker's begins with an explanation"
        assert ours.err == theirs.err
    assert "does not match the specified platform" in same(cli, pier, "rmi", "--platform", "linux/arm64", image).err


def test_one_platform_of_several(cli: Docker, pier: Pier, registry: Distribution, name: str, tmp_path: Path) -> None:
    """Pier keeps several platforms under one name, and each command takes the one that it is asked for."""
    image, archive = f"{registry.host}/{name}:1", str(tmp_path / "image.tar")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /for-$TARGETARCH\n")
    pier("build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", image, str(tmp_path / "context"))

    def architectures() -> list[str]:
        told = json.loads(pier("manifest", "inspect", "-v", "--insecure", image).out)
        return [each["Descriptor"]["platform"]["architecture"] for each in (told if isinstance(told, list) else [told])]

    for client in (cli, pier):
        client("push", "--platform", "linux/arm64", image)
        assert architectures() == ["arm64"]
        client("push", image)
        assert sorted(architectures()) == ["amd64", "arm64"]
        assert "does not match" in client.fails("push", "--platform", "linux/s390x", image)
        assert "for-arm64" in client("history", "--no-trunc", "--platform", "linux/arm64", image).out
    pier("save", "--platform", "linux/arm64", "-o", archive, image)
    for client in (cli, pier):
        assert "Use --force" in client.fails("rmi", "--platform", "linux/arm64", image)
    assert "Deleted: sha256:" in cli("rmi", "--force", "--platform", "linux/amd64", image).out
    assert pier("image", "inspect", "-f", "{{.Architecture}}", image).out == "arm64"
    pier("push", image)
    assert architectures() == ["arm64"]
    pier("rmi", "--force", "--platform", "linux/arm64", image)
    assert "No such image" in pier.fails("rmi", image)
    cli("load", "--platform", "linux/arm64", "-i", archive)
    assert cli("image", "inspect", "-f", "{{.Architecture}}", image).out == "arm64"
    cli("rmi", image)


@pytest.mark.parametrize("arguments", [("load", "-i"), ("import",)])
def test_a_folder_is_no_archive(pier: Pier, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert pier.fails(*arguments, str(tmp_path)) == f"read {tmp_path}: is a directory"


def test_what_cannot_be_loaded_is_told_as_docker_tells_it(cli: Docker, pier: Pier) -> None:
    for data in (b"", b"no tar " * 200):
        assert pier.fails("load", stdin=data) == cli.fails("load", stdin=data)
    assert pier.fails("load", stdin=b"no tar " * 200) == "archive/tar: invalid tar header"


def test_signatures_are_not_checked_in_silence(pier: Pier) -> None:
    for command in ("pull", "push"):
        assert "not supported" in pier.fails(command, "--disable-content-trust=false", "127.0.0.1:9/x")


SEARCHES = [
    (),
    ("--no-trunc",),
    ("-f", "stars=3"),
    ("-f", "is-official=true"),
    ("-f", "is-official=false"),
    ("-f", "is-automated=true"),
    ("-f", "stars=x"),
    ("-f", "is-official=x"),
    ("-f", "foo=x"),
    ("--limit", "101"),
    ("--limit", "0"),
    ("--format", "json"),
    ("--format", "{{json .}}"),
    ("--format", "{{.Name}} {{.StarCount}} {{.IsOfficial}}"),
    ("--format", "table {{.Name}}\t{{.IsOfficial}}"),
    ("--format", "{{.IsAutomated}}"),
]


async def test_search(cli: Docker, pier: Pier) -> None:
    long = "An app & <more>\nwith lines, which is longer than forty-five characters"
    results = [
        {"name": "team/app", "description": long, "is_official": False, "star_count": 7},
        {"name": "app", "description": "", "is_official": True, "star_count": 120},
        {"name": "zero", "description": "", "is_official": False, "star_count": 0},
    ]
    async with faulty_registry() as registry:
        registry.misbehave("GET /v1/search", say(200, json.dumps({"results": results})))
        for flags in SEARCHES:
            await asyncio.to_thread(same, cli, pier, "search", *flags, f"{registry.host}/app")
        assert registry.requests.count("GET /v1/search") >= 20


async def test_what_strangers_write_does_not_steer_the_terminal(pier: Pier) -> None:
    result = {
        "name": "app\x1b]0;me\x07",
        "description": "red\x1b[31m \u202eback\x9b2J",
        "star_count": 7,
        "is_official": False,
    }
    async with faulty_registry() as registry:
        registry.misbehave("GET /v1/search", say(200, json.dumps({"results": [result]})))
        told = await asyncio.to_thread(pier, "search", f"{registry.host}/app")
        assert told.lines[1].split() == ["app]0;me", "red[31m", "back2J", "7"]
