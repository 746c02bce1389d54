"""Builds that say too much, run side by side, keep secrets, or lose their base or the cache."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from tests.compat.docker_cli import eventually
from tests.compat.hostile import alive, assert_sound, dockerfile, engine_with_box, seconds
from tests.compat.pier_cli import Pier


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with engine_with_box(tmp_path_factory.mktemp("load")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pier(machine: RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> Pier:
    return Pier(machine.host, tmp_path_factory.mktemp("config"), "load=1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def peak(engine: RunningEngine) -> int:
    """The most memory that the daemon has had, in MiB."""
    lines = Path(f"/proc/{engine.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def test_a_step_that_writes_a_hundred_megabytes(pier: Pier, machine: RunningEngine, project: Path) -> None:
    before = peak(machine)
    where = dockerfile(project, "FROM box", "RUN yes 0123456789 | head -c 104857600; echo the end; exit 4")
    text = pier.fails("build", "--progress", "plain", where)
    assert text.count("[output clipped, log limit 2MiB reached]") == 1
    assert "the end" in text
    assert peak(machine) - before < 48


def test_two_builds_of_one_project_run_its_steps_once(pier: Pier, project: Path) -> None:
    where = dockerfile(project, "FROM box", "RUN sleep 1; cat /proc/sys/kernel/random/uuid >/id")
    both = [pier.spawn("build", "-t", f"same{number}", where) for number in range(2)]
    assert [each.communicate(timeout=60) and each.returncode for each in both] == [0, 0]
    assert len({pier("image", "inspect", "-f", "{{.Id}}", f"same{number}").out for number in range(2)}) == 1


def test_ten_builds_at_once(pier: Pier, machine: RunningEngine, project: Path) -> None:
    places = [project / str(number) for number in range(10)]
    for place in places:
        place.mkdir()
        (place / "name").write_text(place.name)
        dockerfile(place, "FROM box", "COPY name /", "RUN cat /name /name >/twice")
    running = [pier.spawn("build", "-t", f"ten{place.name}", str(place)) for place in places]
    assert [each.communicate(timeout=60) and each.returncode for each in running] == [0] * 10
    assert [pier("run", "--rm", f"ten{n}", "cat", "/twice").out for n in (0, 9)] == ["00", "99"]
    assert_sound(machine, pier)


def test_a_secret_stays_nowhere(pier: Pier, machine: RunningEngine, project: Path, tmp_path: Path) -> None:
    secret = os.urandom(20).hex()
    (tmp_path / "secret").write_text(secret)
    step = "RUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B --mount=type=cache,target=/c "
    where = dockerfile(project, "FROM box", f'{step} test -n "$B" && wc -c </run/secrets/a >/c/size && cp /c/size /')
    given = [f"--secret=id={name},src={tmp_path}/secret" for name in "ab"]
    said = pier("build", "--progress", "plain", "-t", "kept", *given, where)
    texts = [said.out, said.err, pier("history", "--no-trunc", "kept").out, pier("inspect", "kept").out]
    assert not [text for text in texts if secret in text]
    assert not alive(secret)
    assert_sound(machine, pier)
    files = [path for folder in (machine.root, machine.run) for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in (*files, machine.log) if secret.encode() in path.read_bytes()]
    assert pier("run", "--rm", "kept", "cat", "/size").out == "40"


def test_the_base_and_the_cache_go_during_a_build(pier: Pier, machine: RunningEngine, project: Path) -> None:
    pier("tag", "box", "going")
    where = dockerfile(project, "FROM box", "RUN echo base >/base")
    pier("build", "--no-cache", "-t", "going", where)
    nap = f"2.5{seconds()}"
    where = dockerfile(project, "FROM going", f"RUN echo one >/one; sleep {nap}", "RUN cat /base /one >/both")
    running = pier.spawn("build", "--no-cache", "-t", "gone", where)
    eventually(lambda: alive(f"sleep\x00{nap}"), "the step runs")
    pier("rmi", "-f", "going")
    pier("builder", "prune", "-af")
    assert running.communicate(timeout=60) and running.returncode == 0
    assert pier("run", "--rm", "gone", "cat", "/both").lines == ["base", "one"]
    assert_sound(machine, pier)


def test_a_ceiling_lower_than_a_build_needs(tmp_path: Path, project: Path) -> None:
    lines = [f"RUN head -c 2000000 /dev/urandom >/f{number}" for number in range(5)]
    with engine_with_box(tmp_path / "engine", "--build-cache-max", "3000000") as engine:
        pier = Pier(engine.host, tmp_path, "low=1")
        where = dockerfile(project, "FROM box AS made", *lines, "FROM box", "COPY --from=made /f* /")
        pier("build", "-t", "low", where)
        assert pier("run", "--rm", "low", "sh", "-c", "cat /f? | wc -c").out == "10000000"
        assert_sound(engine, pier)
