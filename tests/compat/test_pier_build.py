"""``pier build`` against a real engine: folders handed over or sent, secrets, results, Ctrl-C."""

import io
import os
import select
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier


@pytest.fixture
def pier(session_cli: Docker, tmp_path: Path) -> Pier:
    return Pier(session_cli.host, tmp_path / "config", session_cli.label)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    made.mkdir()
    return made


@pytest.fixture
def tag(name: str, cli: Docker) -> Iterator[str]:
    yield name
    cli("rmi", "-f", name, code={0, 1})


def write(context: Path, *lines: str) -> None:
    (context / "Dockerfile").write_text("".join(f"{line}\n" for line in (f"FROM {IMAGE}", *lines)))


def test_builds_and_runs(pier: Pier, cli: Docker, context: Path, tag: str) -> None:
    write(context, "RUN echo made > /made", 'CMD ["cat", "/made"]')
    pier("build", "-t", tag, str(context))
    assert cli("run", "--rm", tag).out == "made"
    first = pier("build", "-q", "-t", tag, str(context)).out
    assert first == cli("image", "inspect", "-f", "{{.Id}}", tag).out


@pytest.mark.parametrize("name", ["build", "image build", "builder build", "buildx build"])
def test_under_all_its_names(pier: Pier, context: Path, name: str) -> None:
    write(context, "LABEL a=b")
    assert pier(*name.split(), "-q", str(context)).out.startswith("sha256:")


def test_a_failed_step_is_explained(pier: Pier, context: Path) -> None:
    write(context, "RUN echo before && exit 3")
    failed = pier("build", "--progress", "plain", str(context), code={1})
    assert "\nERROR: failed to solve: process " in failed.err
    assert ">>> RUN echo before && exit 3" in failed.err
    assert " > [2/2] RUN echo before && exit 3:\nbefore\n------\n" in failed.err


def test_dockerfile_and_archive_on_standard_input(pier: Pier, context: Path, tmp_path: Path) -> None:
    dockerfile = f"FROM {IMAGE}\nRUN echo x\n".encode()
    alone = pier("build", "-q", "-", stdin=dockerfile).out
    assert pier("build", "-q", "-f", "-", str(context), stdin=dockerfile).out == alone
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("below/D")
        info.size = len(dockerfile)
        archive.addfile(info, io.BytesIO(dockerfile))
    assert pier("build", "-q", "-f", "below/D", "-", stdin=packed.getvalue()).out == alone


def test_a_dockerfile_outside_of_the_context(pier: Pier, context: Path, tmp_path: Path) -> None:
    (tmp_path / "D").write_text(f"FROM {IMAGE}\n")
    assert pier("build", "-q", "-f", str(tmp_path / "D"), str(context)).out.startswith("sha256:")


def test_results(pier: Pier, context: Path, tmp_path: Path) -> None:
    write(context, "RUN echo made > /made")
    pier("build", "-o", str(tmp_path / "out"), str(context))
    assert (tmp_path / "out/made").read_text() == "made\n"
    pier("build", "-o", f"type=tar,dest={tmp_path}/out.tar", str(context))
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert "made" in archive.getnames()
    pier("build", "--iidfile", str(tmp_path / "id"), "--metadata-file", str(tmp_path / "facts"), str(context))
    assert (tmp_path / "id").read_text().startswith("sha256:")
    assert "containerimage.config.digest" in (tmp_path / "facts").read_text()


def test_a_secret_reaches_the_step_and_nothing_else(pier: Pier, cli: Docker, context: Path, tag: str) -> None:
    (context.parent / "secret").write_text("hush-0815")
    write(context, "RUN --mount=type=secret,id=token wc -c < /run/secrets/token > /size")
    pier("build", "--no-cache", "--secret", f"id=token,src={context.parent}/secret", "-t", tag, str(context))
    assert cli("run", "--rm", tag, "cat", "/size").out == "9"
    assert b"hush-0815" not in cli("save", tag).stdout


def test_ssh_reaches_the_agent(pier: Pier, context: Path, tmp_path: Path) -> None:
    write(context, 'RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"')
    with listening(tmp_path / "agent"):
        pier("build", "--no-cache", "--ssh", f"default={tmp_path}/agent", str(context))


def test_interrupted_it_leaves_no_step(pier: Pier, context: Path) -> None:
    unique = f"{os.getpid()}.{time.time_ns() % 1000000}"
    write(context, f"RUN sleep 1{unique}")
    running = subprocess.Popen(
        pier.argv("build", "--no-cache", "--progress", "plain", str(context)), stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "RUN sleep" in line:
            break
    await_steps(unique, 1)
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    assert running.wait(60) == 130
    running.stderr.close()
    assert "CANCELED" in rest
    assert "context canceled" in rest
    await_steps(unique, 0)


def test_a_killed_client_leaves_no_step(pier: Pier, context: Path) -> None:
    unique = f"{os.getpid()}.{time.time_ns() % 1000000}"
    write(context, f"RUN sleep 2{unique}")
    with subprocess.Popen(pier.argv("build", "--no-cache", "-q", str(context)), stderr=subprocess.DEVNULL) as running:
        await_steps(unique, 1)
        running.kill()
    await_steps(unique, 0)


def await_steps(unique: str, count: int) -> None:
    """Until so many processes of this build's step run."""
    deadline = time.monotonic() + 60
    while len(processes(unique)) < count or (count == 0 and processes(unique)):
        assert time.monotonic() < deadline, processes(unique)
        select.select([], [], [], 0.02)


def processes(unique: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if words[0] == b"sleep" and words[-2].endswith(unique.encode()):
                found.append(path.parent.name)
    return found


def test_through_a_relay_that_loses_descriptors(pier: Pier, context: Path, tmp_path: Path) -> None:
    (context / "large").write_bytes(os.urandom(12 << 20))  # three windows
    for number in range(600):
        (context / f"small {number}").write_text(str(number))
    write(context, "COPY . /all")
    direct = pier("build", "-q", str(context)).out
    with relay(pier.host.removeprefix("unix://"), tmp_path / "relay.sock"):
        relayed = Pier(f"unix://{tmp_path}/relay.sock", tmp_path / "config", pier.label)
        assert relayed("build", "-q", str(context)).out == direct
        (context / "small 7").write_text("changed")
        changed = relayed("build", "-q", str(context)).out
        assert changed == pier("build", "-q", str(context)).out != direct


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield server


@contextmanager
def relay(target: str, path: Path) -> Iterator[None]:
    """As ``ssh -L`` and ``socat`` do: bytes both ways, and nothing else."""
    with listening(path) as server:
        thread = threading.Thread(target=_accept, args=(server, target), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(server: socket.socket, target: str) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(client, target), daemon=True).start()


def _relay(client: socket.socket, target: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as engine:
        engine.connect(target)
        back = threading.Thread(target=_carry, args=(engine, client), daemon=True)
        back.start()
        _carry(client, engine)
        back.join()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_a_descriptor_that_is_no_folder_is_refused(pier: Pier, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as engine, (tmp_path / "file").open("wb") as file:
        engine.settimeout(60)
        engine.connect(pier.host.removeprefix("unix://"))
        engine.sendall(
            b"POST /build/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: pier-build\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += engine.recv(1)
        socket.send_fds(engine, [b"\0"], [file.fileno()])
        assert b"is no folder" in engine.recv(65536)


def test_without_the_cache_its_mounts_begin_anew(pier: Pier, context: Path, tag: str) -> None:
    """As with BuildKit: once a build, not once a step."""
    count = "RUN --mount=type=cache,id=anew,target=/c echo x >> /c/n && wc -l < /c/n > /seen"
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\n{count}1\n{count}2\nCMD cat /seen1 /seen2\n")
    for turn, expected in ((1, ["1", "2"]), (2, ["1", "2"])):
        pier("build", "--no-cache", "-q", "-t", tag, str(context))
        assert pier("run", "--rm", tag).lines == expected, turn
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\n{count}\nCMD cat /seen\n")
    pier("build", "-q", "-t", tag, str(context))
    assert pier("run", "--rm", tag).lines == ["3"]
