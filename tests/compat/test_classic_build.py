"""The classic builder's clients: ``DOCKER_BUILDKIT=0 docker build``, docker-py, and the bare endpoint."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, Result

CLASSIC = {"DOCKER_BUILDKIT": "0"}


@pytest.fixture
def image(cli: Docker, name: str) -> Iterator[str]:
    """A name for what the test builds; it is removed after it."""
    yield name
    cli("rmi", "-f", name, code={0, 1})


def build(cli: Docker, folder: Path, *args: str, code: int = 0) -> Result:
    return cli("build", *args, str(folder), code=code, env=CLASSIC)


def context(folder: Path, dockerfile: str, **files: str) -> Path:
    (folder / "Dockerfile").write_text(dockerfile)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def archive(dockerfile: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
    return made.getvalue()


def post(client: docker.DockerClient, path: str, data: bytes = b"", query: dict[str, str] | None = None) -> Any:
    headers = {"Content-Type": "application/x-tar"}
    return client.api.post(f"{client.api.base_url}{path}", data=data, params=query or {}, headers=headers)


def messages(client: docker.DockerClient, dockerfile: str, **query: str) -> list[dict[str, Any]]:
    response = post(client, "/build", archive(dockerfile), query)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines() if line.strip()]


def test_docker_build(cli: Docker, image: str, tmp_path: Path) -> None:
    folder = context(
        tmp_path,
        f"FROM {IMAGE}\nENV a={image}\nCOPY greeting /\nRUN cat /greeting; echo no >&2\nCMD cat /greeting\n",
        greeting=f"hello {image}\n",
    )
    shown = build(cli, folder, "-t", image).out
    assert f"Step 1/5 : FROM {IMAGE}\n ---> " in shown
    assert "Step 4/5 : RUN cat /greeting; echo no >&2\n ---> Running in " in shown
    assert f"hello {image}\n" in shown
    assert shown.endswith(f"Successfully tagged {image}:latest")
    assert cli("run", "--rm", image).out == f"hello {image}"
    again = build(cli, folder, "-t", image).out
    assert again.count(" ---> Using cache\n") >= 2
    assert "Running in" not in again


def test_quiet_and_image_id_file(cli: Docker, image: str, tmp_path: Path) -> None:
    folder = context(tmp_path, f"FROM {IMAGE}\nLABEL a={image}\n")
    file = tmp_path.parent / f"{image}.iid"
    shown = build(cli, folder, "-q", "-t", image, "--iidfile", str(file)).out
    assert shown == cli("inspect", "-f", "{{.Id}}", image).out == file.read_text().strip()


def test_a_step_that_fails(cli: Docker, tmp_path: Path, name: str) -> None:
    failed = build(cli, context(tmp_path, f"FROM {IMAGE}\nRUN echo {name}; exit 3\n"), code=3)
    assert name in failed.out
    assert f"The command '/bin/sh -c echo {name}; exit 3' returned a non-zero code: 3" in failed.err


def test_a_source_that_is_not_there(cli: Docker, tmp_path: Path) -> None:
    failed = build(cli, context(tmp_path, f"FROM {IMAGE}\nCOPY nosuch /\n"), code=1)
    assert "COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch" in failed.err


def test_docker_py_builds_from_a_file(client: docker.DockerClient, image: str) -> None:
    made, log = client.images.build(
        fileobj=io.BytesIO(f"FROM {IMAGE}\nARG who\nRUN echo hello $who {image} > /out\n".encode()),
        tag=image,
        buildargs={"who": "you"},
        labels={"one": "1"},
        rm=True,
    )
    assert f"{image}:latest" in made.tags
    assert made.labels["one"] == "1"
    assert {"aux": {"ID": made.id}} in list(log)
    assert client.containers.run(image, "cat /out", remove=True).decode() == f"hello you {image}\n"


def test_docker_py_raises_build_errors(client: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.BuildError, match="returned a non-zero code: 4"):
        client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN exit 4\n".encode()), rm=True)


def test_the_stream(client: docker.DockerClient, image: str) -> None:
    told = messages(client, f"FROM {IMAGE}\nENV a=b\nRUN echo {image}\n", t=image, buildargs='{"unused":"1"}')
    texts = [message["stream"] for message in told if "stream" in message]
    assert texts[:3] == [f"Step 1/3 : FROM {IMAGE}", "\n", texts[2]]
    assert f"{image}\n" in texts
    image_id = next(message["aux"]["ID"] for message in told if "aux" in message)
    assert texts[-3:] == [
        "[Warning] One or more build-args [unused] were not consumed\n",
        f"Successfully built {image_id[7:19]}\n",
        f"Successfully tagged {image}:latest\n",
    ]


REFUSED = [
    (f"FROM {IMAGE}\nFOO\n", {}, "dockerfile parse error on line 2: unknown instruction: FOO"),
    (f"FROM {IMAGE}\n", {"dockerfile": "nosuch"}, "Cannot locate specified Dockerfile: nosuch"),
    (f"FROM {IMAGE}\n", {"target": "z"}, 'target stage "z" could not be found'),
    (f"FROM {IMAGE}\n", {"t": "UPPER"}, "invalid reference format: repository name (library/UPPER) must be lowercase"),
    (f"FROM {IMAGE}\n", {"buildargs": "x"}, "error reading build args: invalid character 'x' looking for beginning"),
    (f"FROM {IMAGE}\n", {"version": "3"}, 'invalid version "3"'),
    (f"FROM {IMAGE}\n", {"securityopt": '["x"]'}, "security options are not supported on linux"),
    (f"FROM {IMAGE}\n", {"isolation": "zz"}, 'unsupported isolation: "zz"'),
]


@pytest.mark.parametrize(("dockerfile", "query", "message"), REFUSED)
def test_requests_that_are_refused(
    client: docker.DockerClient, dockerfile: str, query: dict[str, str], message: str
) -> None:
    response = post(client, "/build", archive(dockerfile), query)
    assert response.status_code >= 400
    assert message in response.json()["message"]


def test_target_and_triggers(client: docker.DockerClient, image: str) -> None:
    messages(
        client,
        f"FROM {IMAGE} AS one\nONBUILD RUN echo triggered {image}\nFROM {IMAGE}\nRUN false\n",
        target="one",
        t=image,
    )
    told = messages(client, f"FROM {image}\n")
    texts = "".join(message.get("stream", "") for message in told)
    assert "# Executing 1 build trigger" in texts
    assert f"triggered {image}\n" in texts


def test_cancelling_needs_an_id(client: docker.DockerClient) -> None:
    response = post(client, "/build/cancel")
    assert (response.status_code, response.json()) == (400, {"message": "build ID not provided"})
    assert post(client, "/build/cancel", query={"id": "nobody"}).status_code == 200
