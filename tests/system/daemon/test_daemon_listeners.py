"""TCP with and without TLS, several addresses at once, and sockets that a service manager passes."""

import http.client
import os
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from pier.testing.engine import RunningEngine
from pier.testing.registry import free_port
from tests.system.daemon.conftest import SOURCE


def certificates(folder: Path) -> None:
    """A CA, and a certificate of it for 127.0.0.1 that serves both sides."""
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    authority = [*run, "-subj", "/CN=ca", "-keyout", "ca-key.pem", "-out", "ca.pem"]
    subprocess.run(authority, cwd=folder, check=True, capture_output=True)
    leaf = [*run, "-subj", "/CN=leaf", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem"]
    leaf += ["-out", "cert.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem"]
    leaf += ["-addext", "basicConstraints=critical,CA:false"]
    subprocess.run(leaf, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def client(tmp_path: Path) -> ssl.SSLContext:
    certificates(tmp_path)
    return ssl.create_default_context(cafile=tmp_path / "ca.pem")


def ping(connection: http.client.HTTPConnection) -> bytes:
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_tcp_with_mutual_tls(tmp_path: Path, client: ssl.SSLContext) -> None:
    port = free_port()
    flags = ["-H", f"tcp://127.0.0.1:{port}", "--tlsverify", f"--tlscacert={tmp_path}/ca.pem"]
    flags += [f"--tlscert={tmp_path}/cert.pem", f"--tlskey={tmp_path}/key.pem"]
    engine = RunningEngine(tmp_path, flags)
    try:
        engine.start()
        assert engine.request("GET", "/_ping")[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ping(http.client.HTTPSConnection("127.0.0.1", port, context=client, timeout=60))
        client.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        assert ping(http.client.HTTPSConnection("127.0.0.1", port, context=client, timeout=60)) == b"OK"
        assert engine.request("GET", "/info")[1]["Warnings"] is None
    finally:
        engine.remove_everything()


def test_plain_tcp_for_who_insists(tmp_path: Path) -> None:
    port = free_port()
    engine = RunningEngine(tmp_path, ["-H", f"tcp://127.0.0.1:{port}", "--allow-insecure-tcp"])
    try:
        engine.start()
        assert ping(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) == b"OK"
        assert "without client certificates" in str(engine.request("GET", "/info")[1]["Warnings"])
    finally:
        engine.remove_everything()


def test_sockets_from_a_service_manager(tmp_path: Path) -> None:
    """As sd_listen_fds(3) has it: descriptor 3, and its process's own number in the environment."""
    engine = RunningEngine(tmp_path)
    path = tmp_path / "passed"
    report = tmp_path / "report"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        listening.bind(str(path))
        listening.listen()
        manager.bind(str(report))
        manager.settimeout(30)
        argv = [word if word != engine.host else "fd://" for word in engine.argv()]
        script = f'exec 3<&{listening.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        with engine.log.open("ab") as log:
            daemon = subprocess.Popen(
                ["bash", "-c", script, "bash", *argv],
                pass_fds=[listening.fileno()],
                stderr=log,
                env={**os.environ, "PYTHONPATH": SOURCE, "NOTIFY_SOCKET": str(report)},
            )
        try:
            assert manager.recv(100) == b"READY=1", engine.log_tail()
            connection = http.client.HTTPConnection("localhost", timeout=60)
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(path))
            assert ping(connection) == b"OK"
        finally:
            daemon.terminate()
            daemon.wait(30)
            engine.remove_everything()
        assert manager.recv(100) == b"STOPPING=1"


def test_nonsense_is_answered_and_the_daemon_goes_on(tmp_path: Path) -> None:
    engine = RunningEngine(tmp_path)
    try:
        engine.start()
        for nonsense in (
            b"\x00\xff" * 100,
            b"GET\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"G" * 70000,
        ):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(10)
                stranger.connect(str(engine.socket))
                try:
                    stranger.sendall(nonsense)
                    assert stranger.recv(100).startswith(b"HTTP/1.")
                except ConnectionError:
                    pass  # hung up on, which is an answer too
        assert engine.request("GET", "/_ping")[0] == 200
        assert "Traceback" not in engine.log_tail()
    finally:
        engine.remove_everything()


def test_errors_are_dockers(tmp_path: Path) -> None:
    engine = RunningEngine(tmp_path)
    try:
        engine.start()
        for path, status, message in [
            ("/nope", 404, "page not found"),
            ("/v1.99/info", 400, "client version 1.99 is too new. Maximum supported API version is 1.51"),
            ("/swarm", 503, 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
             "to connect this node to swarm and try again."),
            ("/containers/nope/json", 404, "No such container: nope"),
            ("/containers/json?limit=x", 400, 'strconv.Atoi: parsing "x": invalid syntax'),
        ]:  # fmt: skip
            assert engine.request("GET", path) == (status, {"message": message})
    finally:
        engine.remove_everything()


def test_fsck_finds_and_mends_what_is_nobodys(tmp_path: Path) -> None:
    engine = RunningEngine(tmp_path)
    try:
        engine.start()
        assert engine.request("GET", "/system/fsck") == (200, {"Findings": []})
        stray = engine.root / "containers" / ("0" * 64)
        stray.mkdir(parents=True)
        found = engine.request("GET", "/system/fsck")[1]["Findings"]
        assert [(each["Kind"], each["Path"], each["Fixed"]) for each in found] == [("container", str(stray), False)]
        assert engine.request("GET", "/system/fsck?fix=1")[1]["Findings"][0]["Fixed"] is True
        assert not stray.exists()
        assert engine.request("GET", "/system/fsck") == (200, {"Findings": []})
    finally:
        engine.remove_everything()
