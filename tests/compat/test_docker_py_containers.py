"""docker-py 7: containers, as programs drive them."""

import io
import socket
import tarfile
from contextlib import suppress
from typing import Any

import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.types import LogConfig, Mount, Ulimit

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import eventually


@pytest.fixture
def run(client: Any, labels: dict[str, str]) -> Any:
    """``client.containers.run`` whose containers are removed after the test."""

    def call(command: Any = None, **options: Any) -> Any:
        return client.containers.run(IMAGE, command, labels=labels, **options)

    return call


def test_run_returns_the_output(run: Any) -> None:
    assert run(["sh", "-c", "echo out; echo err >&2"], remove=True) == b"out\n"
    assert run(["sh", "-c", "echo err >&2; echo out"], remove=True, stderr=True, stdout=False) == b"err\n"


def test_failure_raises(run: Any, client: Any) -> None:
    with pytest.raises(ContainerError) as caught:
        run(["sh", "-c", "echo why >&2; exit 3"], remove=True)
    assert caught.value.exit_status == 3
    assert "why" in str(caught.value)
    with pytest.raises(ImageNotFound):
        client.containers.create("no-such-image:1")
    with pytest.raises(NotFound, match="No such container: gone"):
        client.containers.get("gone")
    with pytest.raises(APIError, match="executable file not found in"):
        run("no-such-command")


def test_a_life(run: Any, client: Any, name: str) -> None:
    container = run(["sleep", "1000"], detach=True, name=name)
    container.reload()
    assert container.status == "running"
    assert container.name == name
    assert container in client.containers.list()
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.rename(name + "-new")
    container.restart(timeout=0)
    container.kill()
    assert container.wait() == {"StatusCode": 137}
    container.start()
    container.stop(timeout=0)
    container.remove()
    with pytest.raises(NotFound):
        client.containers.get(name + "-new")


def test_waiting(run: Any) -> None:
    container = run(["sh", "-c", "exit 5"], detach=True)
    assert container.wait()["StatusCode"] == 5
    assert container.wait(condition="not-running")["StatusCode"] == 5


def test_waiting_for_removal(run: Any) -> None:
    container = run(["sleep", "1000"], detach=True, auto_remove=True)
    container.kill()
    with suppress(NotFound):  # already gone
        assert container.wait(condition="removed")["StatusCode"] == 137


def test_logs(run: Any) -> None:
    container = run(["sh", "-c", "echo one; echo two >&2; echo three"], detach=True)
    container.wait()
    assert sorted(container.logs().splitlines()) == [b"one", b"three", b"two"]
    assert container.logs(stderr=False) == b"one\nthree\n"
    assert container.logs(stdout=False) == b"two\n"
    assert container.logs(tail=0) == b""
    assert b"".join(container.logs(stream=True, follow=True, stderr=False)) == b"one\nthree\n"


def test_exec(run: Any) -> None:
    container = run(["sleep", "1000"], detach=True)
    code, output = container.exec_run(
        ["sh", "-c", "echo $A; id -u; pwd; exit 4"], environment={"A": "b"}, user="web", workdir="/tmp"
    )
    assert (code, output) == (4, b"b\n1000\n/tmp\n")
    code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (code, out, err) == (0, b"o\n", b"e\n")
    _, stream = container.exec_run(["seq", "3"], stream=True)
    assert b"".join(stream) == b"1\n2\n3\n"


def test_exec_through_a_socket(run: Any, client: Any) -> None:
    container = run(["sleep", "1000"], detach=True)
    made = client.api.exec_create(container.id, ["cat"], stdin=True)
    sock = client.api.exec_start(made["Id"], socket=True)
    sock._sock.sendall(b"there and back\n")
    sock._sock.shutdown(socket.SHUT_WR)
    data = b""
    while chunk := sock._sock.recv(4096):
        data += chunk
    sock.close()
    assert data == b"\x01\0\0\0\0\0\0\x0fthere and back\n"
    eventually(lambda: client.api.exec_inspect(made["Id"])["ExitCode"] == 0)


def test_attach_through_a_socket(run: Any, client: Any, labels: dict[str, str]) -> None:
    container = client.containers.create(IMAGE, ["cat"], stdin_open=True, labels=labels)
    sock = client.api.attach_socket(container.id, {"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    sock._sock.sendall(b"hello\n")
    heard = b""
    while len(heard) < 14 and (data := sock._sock.recv(100)):
        heard += data
    assert heard == b"\x01\0\0\0\0\0\0\x06hello\n"
    sock._sock.close()
    sock.close()


def test_archives(run: Any) -> None:
    container = run(["sleep", "1000"], detach=True)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("put")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert container.put_archive("/tmp", stream.getvalue())
    bits, stat = container.get_archive("/tmp/put")
    assert (stat["name"], stat["size"]) == ("put", 3)
    with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as archive:
        member = archive.extractfile("put")
        assert member
        assert member.read() == b"abc"
    with pytest.raises(NotFound):
        container.get_archive("/absent")


def test_many_options(run: Any, client: Any, name: str) -> None:
    container = run(
        ["sleep", "1000"],
        detach=True,
        name=name,
        hostname="ship",
        environment={"A": "b"},
        mem_limit="64m",
        nano_cpus=500_000_000,
        pids_limit=50,
        read_only=True,
        tmpfs={"/scratch": "size=1m"},
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)],
        mounts=[Mount("/vol", name, type="volume")],
        ports={"80/tcp": ("127.0.0.1", None)},
        extra_hosts={"harbour": "10.1.2.3"},
        dns=["10.9.8.7"],
        cap_add=["NET_ADMIN"],
        cap_drop=["CHOWN"],
        init=True,
        stop_signal="SIGKILL",
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 3},
        log_config=LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"}),
        shm_size="1m",
        sysctls={"net.ipv4.ip_default_ttl": "55"},
    )
    script = "hostname; echo $A; ulimit -n; cat /proc/sys/net/ipv4/ip_default_ttl; grep -c harbour /etc/hosts"
    assert container.exec_run(["sh", "-c", script]).output.split() == [b"ship", b"b", b"100", b"55", b"1"]
    container.reload()
    host = container.attrs["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500_000_000, 50)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "2"}
    assert container.ports["80/tcp"][0]["HostIp"] == "127.0.0.1"
    container.remove(force=True)
    client.volumes.get(name).remove()


def test_top_stats_and_diff(run: Any) -> None:
    container = run(["sh", "-c", "echo x >/made; sleep 1000"], detach=True)
    assert container.top()["Titles"][0] == "UID"
    eventually(lambda: {"Path": "/made", "Kind": 1} in (container.diff() or []))
    stats = container.stats(stream=False)
    assert stats["name"].lstrip("/") == container.name
    assert set(stats) >= {"cpu_stats", "precpu_stats", "memory_stats", "pids_stats", "read", "blkio_stats"}
    first = next(iter(container.stats(stream=True, decode=True)))
    assert first["id"] == container.id


def test_update_and_commit(run: Any, client: Any, name: str) -> None:
    container = run(["sh", "-c", "echo kept >/kept; sleep 1000"], detach=True)
    container.update(mem_limit="70m", memswap_limit="70m")
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 70 << 20
    eventually(lambda: container.exec_run(["cat", "/kept"]).output == b"kept\n")
    image = container.commit(name, "1", message="why")
    assert client.containers.run(f"{name}:1", ["cat", "/kept"], remove=True) == b"kept\n"
    client.images.remove(image.id, force=True)


def test_lists_and_prunes(run: Any, client: Any, labels: dict[str, str]) -> None:
    container = run(["true"], detach=True)
    container.wait()
    label = "=".join(next(iter(labels.items())))

    def exited() -> list[str]:
        return [found.id for found in client.containers.list(all=True, filters={"label": label, "status": "exited"})]

    eventually(lambda: exited() == [container.id])
    assert client.containers.prune({"label": label})["ContainersDeleted"] == [container.id]
