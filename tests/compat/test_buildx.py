"""``docker buildx build`` and ``docker build`` over BuildKit's protocol."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE, Engine, docker_program
from tests.compat.docker_cli import Docker, Result, eventually, read_until
from tests.compat.hostile import alive, seconds
from tests.compat.plugins import with_plugins

DOCKERFILE = f"""\
FROM {IMAGE}
COPY greeting /greeting
RUN cat /greeting && echo done >/made
CMD ["cat", "/greeting", "/made"]
"""


@pytest.fixture(scope="module")
def buildx(session_cli: Docker, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    config = tmp_path_factory.mktemp("buildx-config")
    return with_plugins(docker_program(), engine.host, config, session_cli.label, ["docker-buildx"])


@pytest.fixture
def image(cli: Docker, name: str) -> Iterator[str]:
    """A name for what the test builds; it is removed after it."""
    yield name
    cli("rmi", "-f", name, code={0, 1})


@pytest.fixture
def context(tmp_path: Path, name: str) -> Path:
    """A folder that no build has seen yet."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "greeting").write_text(f"hello {name}\n")
    return folder


def build(buildx: Docker, *args: str, code: int = 0, stdin: bytes | None = None) -> Result:
    return buildx("buildx", "build", "--progress", "plain", *args, code=code, stdin=stdin)


def test_build_and_run(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    shown = build(buildx, "-t", image, str(context)).err
    assert "[internal] load build definition from Dockerfile" in shown
    assert "RUN cat /greeting && echo done >/made" in shown
    assert f"hello {image}" in shown
    assert cli("run", "--rm", image).lines == [f"hello {image}", "done"]


def test_docker_build_means_buildx(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    shown = buildx("build", "--progress", "plain", "-t", image, str(context)).err
    assert "[internal] load build definition from Dockerfile" in shown
    assert cli("run", "--rm", image).lines[-1] == "done"


def test_the_second_time_it_is_cached(buildx: Docker, context: Path, image: str) -> None:
    build(buildx, "-t", image, str(context))
    assert cached(build(buildx, "-t", image, str(context)).err) == ["COPY", "RUN"]
    (context / "other").write_text("not read by any step")
    assert cached(build(buildx, "-t", image, str(context)).err) == ["COPY", "RUN"]
    (context / "greeting").write_text(f"good bye {image}\n")
    shown = build(buildx, "-t", image, str(context)).err
    assert f"good bye {image}" in shown
    assert cached(shown) == []


def cached(shown: str) -> list[str]:
    """The instructions of steps that were not run."""
    return [word for _, word in re.findall(r"^#(\d+) \[[^]]*\] (COPY|RUN)[^\n]*\n#\1 CACHED$", shown, re.M)]


def test_quiet_prints_the_id(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    identity = buildx("buildx", "build", "-q", "-t", image, str(context)).out
    assert identity == cli("image", "inspect", "-f", "{{.Id}}", image).out


def test_files_of_ids_and_metadata(buildx: Docker, cli: Docker, context: Path, image: str, tmp_path: Path) -> None:
    build(buildx, "-t", image, "--iidfile", str(tmp_path / "id"), "--metadata-file", str(tmp_path / "m"), str(context))
    identity = cli("image", "inspect", "-f", "{{.Id}}", image).out
    assert (tmp_path / "id").read_text() == identity
    metadata = json.loads((tmp_path / "m").read_text())
    assert metadata["containerimage.config.digest"] == identity
    assert image in metadata["image.name"]


def test_options_reach_the_build(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    (context / "other.Dockerfile").write_text(
        f"FROM {IMAGE} AS base\nARG WHAT=nothing\nRUN echo $WHAT >/what\nFROM base AS wanted\nFROM base\nRUN false\n"
    )
    options = ["--build-arg", "WHAT=something", "--label", "l=v", "--target", "wanted", "-f"]
    build(buildx, "-t", image, *options, str(context / "other.Dockerfile"), str(context))
    assert cli("run", "--rm", image, "cat", "/what").out == "something"
    assert json.loads(cli("image", "inspect", "-f", "{{json .Config.Labels}}", image).out)["l"] == "v"


def test_several_names(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    build(buildx, "-t", image, "-t", f"{image}:other", str(context))
    ids = {cli("image", "inspect", "-f", "{{.Id}}", name).out for name in (image, f"{image}:other")}
    cli("rmi", f"{image}:other")
    assert len(ids) == 1


def test_what_is_ignored_does_not_come(buildx: Docker, context: Path, image: str) -> None:
    (context / ".dockerignore").write_text("*.log\n!kept.log\n")
    (context / "a.log").write_text("")
    (context / "kept.log").write_text("")
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /c\nRUN ls /c\n")
    shown = build(buildx, "-t", image, str(context)).err
    assert "kept.log" in shown
    assert "a.log" not in shown


def test_a_dockerfile_on_standard_input(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    build(buildx, "-t", image, "-", stdin=f"FROM {IMAGE}\nRUN echo x >/y\n".encode())
    assert cli("run", "--rm", image, "cat", "/y").out == "x"
    build(buildx, "-t", image, "-f", "-", str(context), stdin=DOCKERFILE.encode())
    assert cli("run", "--rm", image).lines[-1] == "done"


def test_an_archive_on_standard_input(buildx: Docker, cli: Docker, context: Path, image: str) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        tar.add(context, arcname=".")
    build(buildx, "-t", image, "-", stdin=data.getvalue())
    assert cli("run", "--rm", image).lines == [f"hello {image}", "done"]


def test_named_contexts(buildx: Docker, cli: Docker, context: Path, image: str, tmp_path: Path) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named/file").write_text(image)
    (context / "Dockerfile").write_text("FROM base\nCOPY --from=files file /file\nCMD cat /file\n")
    contexts = [f"base=docker-image://{IMAGE}", f"files={tmp_path / 'named'}"]
    build(buildx, "-t", image, *(word for each in contexts for word in ("--build-context", each)), str(context))
    assert cli("run", "--rm", image).out == image


def test_secrets_reach_the_step_only(buildx: Docker, cli: Docker, context: Path, image: str, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(f"secret of {image}")
    (context / "Dockerfile").write_text(
        f"FROM {IMAGE}\nRUN --mount=type=secret,id=s,target=/s md5sum /s | cut -d' ' -f1 >/sum\nCMD cat /sum; ls /s\n"
    )
    build(buildx, "-t", image, "--secret", f"id=s,src={tmp_path / 's'}", str(context))
    result = cli("run", "--rm", image, code={0, 1})
    assert len(result.out) == 32
    assert "No such file" in result.err


def test_a_secret_that_is_required(buildx: Docker, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN --mount=type=secret,id=absent,required=true true\n")
    assert "secret absent: not found" in build(buildx, str(context), code=1).err


def test_a_failing_step_shows_its_lines(buildx: Docker, context: Path, name: str) -> None:
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN true\nRUN echo {name}; exit 3\nRUN true\n")
    shown = build(buildx, str(context), code=1).err
    assert f"{name}\n" in shown
    assert (
        "Dockerfile:3\n"
        "--------------------\n"
        f"   1 |     FROM {IMAGE}\n"
        "   2 |     RUN true\n"
        f"   3 | >>> RUN echo {name}; exit 3\n"
        "   4 |     RUN true\n"
        "   5 |     \n"
        "--------------------\n"
        f'ERROR: failed to solve: process "/bin/sh -c echo {name}; exit 3" did not complete successfully: exit code: 3'
    ) in shown


def test_a_word_that_is_no_instruction(buildx: Docker, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUNN true\n")
    shown = build(buildx, str(context), code=1).err
    assert ">>> RUNN true" in shown
    assert "ERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN" in shown


def test_a_source_that_is_missing(buildx: Docker, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY absent /\n")
    shown = build(buildx, str(context), code=1).err
    assert ">>> COPY absent /" in shown
    assert '"/absent": not found' in shown


def test_a_dockerfile_that_is_missing(buildx: Docker, context: Path) -> None:
    (context / "Dockerfile").unlink()
    shown = build(buildx, str(context), code=1).err
    assert "failed to read dockerfile: open Dockerfile: no such file or directory" in shown


def test_an_interrupt_ends_the_steps(buildx: Docker, context: Path, name: str) -> None:
    long = seconds()
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo {name}; exec sleep {long}\n")
    with buildx.spawn("buildx", "build", "--progress", "plain", str(context)) as child:
        read_until(child.stderr, f" {name}\n".encode())
        child.terminate()
        child.communicate(timeout=60)
    assert child.returncode != 0
    eventually(lambda: not alive(f"sleep\0{long}"), "the step ends")


def test_a_folder_as_the_result(buildx: Docker, context: Path, tmp_path: Path) -> None:
    (context / "Dockerfile").write_text(
        f"FROM {IMAGE} AS made\nRUN mkdir /d && echo x >/d/x && ln -s x /d/l && chmod 600 /d/x\n"
        "FROM scratch\nCOPY --from=made /d /d\n"
    )
    build(buildx, "-o", f"type=local,dest={tmp_path / 'out'}", str(context))
    assert (tmp_path / "out/d/x").read_text() == "x\n"
    assert (tmp_path / "out/d/x").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out/d/l").readlink() == Path("x")
    build(buildx, "-o", f"type=tar,dest={tmp_path / 'out.tar'}", str(context))
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert {"d/x", "d/l"} <= {member.name.removeprefix("./") for member in tar}


def test_the_builder_is_described(buildx: Docker) -> None:
    assert "docker" in buildx("buildx", "ls").out
    shown = buildx("buildx", "inspect").out
    assert "Status:" in shown and "running" in shown
    assert "linux/" in shown


def test_the_cache_is_told_and_pruned(buildx: Docker, context: Path, image: str) -> None:
    build(buildx, "-t", image, str(context))
    shown = buildx("buildx", "du").out
    assert "Reclaimable:" in shown and "Total:" in shown
    assert "Type:\t\tsource.local" in buildx("buildx", "du", "--verbose").out
    assert "Total:\t0B" in buildx("buildx", "prune", "-f", "--filter", "id=absent").out
