"""``pier`` asks for the same container as ``docker`` does: the create requests are compared, no engine is needed."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import docker_program
from tests.compat.pier_cli import PROGRAM

Json = dict[str, Any]


class Recorder:
    """Answers pings, refuses everything else, and keeps the last request's path and body."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.last: tuple[str, Json] = ("", {})
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as file:  # docker waits two seconds for a ping
            while line := file.readline().decode().strip():
                size = 0
                while header := file.readline().decode().strip():
                    name, _, value = header.partition(":")
                    size = int(value) if name.lower() == "content-length" else size
                body = file.read(size)
                connection.sendall(self._answer(line, body))

    def _answer(self, line: str, body: bytes) -> bytes:
        if "/_ping" in line:
            return b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Length: 0\r\n\r\n"
        self.last = (line.split()[1].partition("/containers")[2], json.loads(body or b"{}"))
        return b'HTTP/1.1 500 No\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"message":"no"}'

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "r.sock")
    yield made
    made.close()


def meaning(value: Any) -> Any:
    """Without what is absent in other words: null, "", 0, false, and empty maps and lists."""
    if isinstance(value, dict):
        kept = {key: meaning(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, "", 0, False, [], {})}
    if isinstance(value, list):
        return [meaning(each) for each in value]
    return value


def normal(body: Json) -> Json:
    """The defaults that docker writes down are left out; lists that it makes of a map are sorted."""
    kept: Json = meaning(body)
    host = kept.get("HostConfig", {})
    for holder, key in ((kept, "Env"), (host, "Binds")):
        if key in holder:
            holder[key] = sorted(holder[key])
    for key, default in (
        ("NetworkMode", "default"),
        ("RestartPolicy", {"Name": "no"}),
        ("MemorySwappiness", -1),
        ("ConsoleSize", [0, 0]),
    ):
        if host.get(key) == default:
            del host[key]
    if not host:
        kept.pop("HostConfig", None)
    return kept


FLAGS = [
    "",
    "--rm -i --name x",
    "-d -i -t",
    "-a stdin -a STDOUT",
    "-p 8080:80 -p 127.0.0.1:9000-9002:9000-9002/udp -p 1-2:3 -p [::1]:5:6 -p 77 --expose 80-82 --expose 5/udp -P",
    "-p published=8080,target=80,protocol=udp -p target=80",
    "-v ./x:/y:ro -v named:/z -v /anon -v .:/here",
    "--mount type=bind,src=a,dst=b --mount type=tmpfs,dst=/t,tmpfs-size=64k,tmpfs-mode=1777",
    "--mount type=volume,src=v,dst=/d,volume-nocopy,volume-label=a=b,volume-driver=x,volume-opt=k=v",
    "--mount type=bind,src=/a,dst=/b,bind-propagation=rshared,bind-recursive=disabled,consistency=cached",
    "--mount type=bind,src=/a,dst=/b,bind-recursive=readonly,ro,bind-propagation=rprivate",
    "--mount type=volume,dst=/d,volume-subpath=s,ro",
    "--mount type=image,src=x,dst=/y,image-subpath=z --tmpfs /x --tmpfs /y:ro,size=1m",
    "-e A=1 -e HOME -e NOT_SET_AT_ALL -e X= -l a=b -l c --annotation k=v",
    "--entrypoint sh -w /w -u 1:2 -h host --domainname dom --stop-signal 9 --stop-timeout 5",
    "--entrypoint=",
    "-m 1.5gib --memory-swap -1 --memory-reservation 1g --memory-swappiness 0 --shm-size 64m --kernel-memory 5m",
    "--cpus 1.5 --cpu-shares 5 --cpu-period 1000 --cpu-quota 2000 --cpuset-cpus 0-1 --cpuset-mems 0",
    "--cpu-rt-period 5 --cpu-rt-runtime 6 --blkio-weight 100 --pids-limit -1 --oom-kill-disable --oom-score-adj -5",
    "--blkio-weight-device /dev/a:100 --device-read-bps /dev/a:1mb --device-write-iops /dev/a:7",
    "--device /dev/null --device /dev/a:/dev/b:r --device vendor.com/class=a --device-cgroup-rule c_1:2_r",
    "--gpus all",
    "--gpus driver=nvidia,count=2,capabilities=utility",
    "--cap-add NET_ADMIN --cap-drop ALL --privileged --read-only --init --group-add x --runtime r",
    "--cap-add sys_admin --cap-add CAP_CHOWN --cap-add sys_admin --cap-drop chown --cap-drop kill",
    "--cap-add ALL --cap-add kill --cap-drop ALL --cap-drop kill",
    "--cap-add kill --cap-add ALL --cap-drop chown",
    "--security-opt no-new-privileges --security-opt systempaths=unconfined --security-opt label:disable",
    "--security-opt seccomp=unconfined --userns host --uts host --pid host --ipc host --cgroupns private",
    "--pid container:a --ipc container:b --cgroup-parent /x --volumes-from a:ro --volume-driver d",
    "--ulimit nofile=10 --ulimit core=0:0 --ulimit nofile=20:30 --sysctl net.a=b --storage-opt size=1g",
    "--log-driver json-file --log-opt max-size=1m --log-opt x --restart on-failure:3",
    "--restart unless-stopped",
    "--add-host a=1.2.3.4 --add-host b:host-gateway --add-host c=[::1] --dns 1.1.1.1 --dns-option x --dns-search .",
    "--health-cmd x --health-interval 2s --health-timeout 1m --health-retries 3 --health-start-period 1h",
    "--health-start-interval 5ms",
    "--no-healthcheck",
    "--network none",
    "--network host",
    "--network container:x",
    "--network n --ip 1.2.3.4 --ip6 ::1 --network-alias a --network-alias b --link x:y --link z",
    "--network name=n,alias=a,ip=1.2.3.4,driver-opt=k=v,gw-priority=5 --network m",
    "--link a:b --mac-address 92:d0:c6:0a:29:33 --link-local-ip 169.254.1.1",
    "--platform linux/amd64",
    "--isolation x --cpus 1/2",
    "--sig-proxy=false --detach-keys a,b --pull never -q",
]


def request(program: list[str], recorder: Recorder, folder: Path, flags: str) -> tuple[str, Json]:
    words = [word.replace("_", " ") if "rule" not in word and word.startswith("c_") else word for word in flags.split()]
    env = {**os.environ, "DOCKER_HOST": recorder.host, "PIER_HOST": "", "DOCKER_CONFIG": str(folder / "config")}
    recorder.last = ("", {})
    done = subprocess.run(
        [*program, "run", *words, "box", "echo", "-n", "x"],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert recorder.last[0].startswith("/create") or "-t" in words, done  # for that docker wants a terminal
    return recorder.last


@pytest.mark.parametrize("flags", FLAGS)
def test_same_request(flags: str, recorder: Recorder, tmp_path: Path) -> None:
    path, body = request([docker_program()], recorder, tmp_path, flags)
    our_path, our_body = request([str(PROGRAM)], recorder, tmp_path, flags)
    assert (our_path, normal(our_body)) == (path, normal(body))
