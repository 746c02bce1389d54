"""Networks as containers and the host see them: out, in, between, by name."""

import json
import re
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest

from pier.testing.registry import free_port
from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker, eventually

WEB = ("httpd", "-f", "-p", "80", "-h", "/www")


def shell(cli: Docker, script: str, *flags: str) -> str:
    return cli("run", "--rm", *flags, IMAGE, "sh", "-c", script).out


def fetch(address: str, port: int) -> str:
    """The body of ``GET /`` at an address of this host; empty while nobody answers."""
    try:
        with socket.create_connection((address, port), timeout=60) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with closing(connection.makefile("rb")) as stream:
                return stream.read().rpartition(b"\r\n\r\n")[2].decode()
    except OSError:
        return ""


def host_address() -> str:
    """An address of this host that is not loopback: the one it would speak from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


class Greeting(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(f"hello {self.client_address[0]}\n".encode())


class Answer(socketserver.BaseRequestHandler):
    """A DNS server of one answer: every name is 10.99.88.77."""

    def handle(self) -> None:
        query, sock = self.request
        question = query[12 : query.index(b"\0", 12) + 5]
        if question[-3] != 1:
            sock.sendto(query[:2] + struct.pack("!5H", 0x8180, 1, 0, 0, 0) + question, self.client_address)
            return
        answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([10, 99, 88, 77])
        header = query[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0)
        sock.sendto(header + question + answer, self.client_address)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web(cli: Docker, name: str) -> str:
    """A container that serves a page on its port 80, published on a port of all addresses."""
    cli("run", "-d", "--name", name, "-p", "80", IMAGE, *WEB)
    return name


def published(cli: Docker, name: str, port: str = "80") -> int:
    return int(cli("port", name, port).lines[0].rpartition(":")[2])


def test_the_way_out(cli: Docker) -> None:
    """A server on an address of the host is outside; it sees the host's address or the bridge's, and answers."""
    with socketserver.TCPServer(("0.0.0.0", 0), Greeting) as server, serving(server):
        answer = shell(cli, f"nc {host_address()} {server.server_address[1]} </dev/null")
    assert answer.startswith("hello ")


def test_a_published_port_from_every_side(cli: Docker, web: str) -> None:
    port = published(cli, web)
    for address in ("127.0.0.1", host_address()):
        assert eventually(partial(fetch, address, port)) == "hello from the image\n"
    gateway = cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.Gateway}}", web).out
    own = cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", web).out
    for address, number in ((own, 80), (gateway, port), (host_address(), port)):
        assert shell(cli, f"wget -q -O - http://{address}:{number}/") == "hello from the image", address
    assert cli("exec", web, "wget", "-q", "-O", "-", f"http://{gateway}:{port}/").out == "hello from the image"


def test_a_port_of_one_address_only(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-p", "127.0.0.1::80", IMAGE, *WEB)
    port = published(cli, name)
    assert eventually(lambda: fetch("127.0.0.1", port))
    assert fetch(host_address(), port) == ""


def test_a_chosen_port_and_a_range(cli: Docker, name: str) -> None:
    port = free_port("0.0.0.0")
    cli("run", "-d", "--name", name, "-p", f"{port}:80", IMAGE, *WEB)
    assert eventually(lambda: fetch("127.0.0.1", port)) == "hello from the image\n"
    bindings = json.loads(cli("inspect", "-f", "{{json .NetworkSettings.Ports}}", name).out)
    assert {"HostIp": "0.0.0.0", "HostPort": str(port)} in bindings["80/tcp"]
    cli("run", "-d", "--name", name + "-range", "-p", "127.0.0.1::8000-8002", IMAGE, "sleep", "1000")
    assert len(cli("port", name + "-range").lines) == 3


ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 5000))
while True:
    data, sender = server.recvfrom(2000)
    server.sendto(data, sender)
"""


@contextmanager
def echoing(cli: Docker, name: str) -> Iterator[None]:
    """A UDP echo server in the container's network (busybox has none): the test's own Python, moved there."""
    pid = cli("inspect", "-f", "{{.State.Pid}}", name).out
    server = subprocess.Popen(["nsenter", "-t", pid, "-n", sys.executable, "-c", ECHO])
    try:
        yield
    finally:
        server.kill()
        server.wait()


def test_udp(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-p", "127.0.0.1::5000/udp", IMAGE, "sleep", "1000")
    port = published(cli, name, "5000/udp")
    with echoing(cli, name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.5)

        def echoed() -> bool:
            try:
                sender.sendto(b"ping", ("127.0.0.1", port))
                return sender.recv(100) == b"ping"
            except OSError:
                return False

        eventually(echoed)


def test_publish_all(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, "-P", "--expose", "80", "--expose", "81/udp", IMAGE, *WEB)
    assert len(cli("port", name).lines) >= 2
    assert eventually(lambda: fetch("127.0.0.1", published(cli, name))) == "hello from the image\n"


def test_a_port_in_use(cli: Docker, name: str, web: str) -> None:
    port = published(cli, web)
    message = cli.fails("run", "-d", "--name", name + "-2", "-p", f"{port}:80", IMAGE, *WEB, code=125)
    assert "driver failed programming external connectivity on endpoint" in message
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in message
    assert cli("inspect", "-f", "{{.State.Status}}", name + "-2").out == "created"


def test_a_port_that_another_program_holds(cli: Docker, name: str) -> None:
    with socket.socket() as holder:
        port = free_port("0.0.0.0")
        holder.bind(("0.0.0.0", port))
        holder.listen()
        message = cli.fails("run", "-d", "--name", name, "-p", f"{port}:80", IMAGE, *WEB, code=125)
    assert "address already in use" in message
    cli("start", name)
    assert eventually(lambda: fetch("127.0.0.1", port)) == "hello from the image\n"


def test_ports_are_free_again(cli: Docker, name: str) -> None:
    port = free_port("0.0.0.0")
    for _ in range(3):
        cli("run", "-d", "--name", name, "-p", f"{port}:80", IMAGE, *WEB)
        cli("rm", "-f", name)
    assert fetch("127.0.0.1", port) == ""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("0.0.0.0", port))


def test_bad_ports(cli: Docker) -> None:
    assert "invalid hostPort" in cli.fails("run", "-p", "99999:80", IMAGE, code=125)
    assert "invalid proto" in cli.fails("run", "-p", "80/nonsense", IMAGE, code=125).lower()


def test_none(cli: Docker) -> None:
    assert shell(cli, "ls /sys/class/net", "--network", "none") == "lo"


def test_host(cli: Docker, name: str) -> None:
    assert cli("run", "--rm", "--network", "host", IMAGE, "hostname").out == socket.gethostname()
    port = free_port("0.0.0.0")
    cli("run", "-d", "--name", name, "--network", "host", IMAGE, "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", "/www")
    assert eventually(lambda: fetch("127.0.0.1", port)) == "hello from the image\n"


def test_the_network_of_another_container(cli: Docker, web: str) -> None:
    joined = f"container:{web}"
    assert (
        eventually(lambda: shell(cli, "wget -q -O - http://127.0.0.1/", "--network", joined)) == "hello from the image"
    )
    assert shell(cli, "hostname", "--network", joined) == cli("inspect", "-f", "{{.Id}}", web).out[:12]
    message = cli.fails("run", "--rm", "--network", joined, "-p", "80:80", IMAGE, "true", code=125)
    assert "conflicting options: port publishing and the container type network mode" in message
    cli("stop", "-t", "0", web)
    message = cli.fails("run", "--rm", "--network", joined, IMAGE, "true", code=125)
    assert "cannot join network of a non running container" in message


def test_address_route_and_mac(cli: Docker, name: str) -> None:
    cli("run", "-d", "--name", name, IMAGE, "sleep", "1000")
    settings = json.loads(cli("inspect", "-f", "{{json .NetworkSettings}}", name).out)
    endpoint = settings["Networks"]["bridge"]
    inside = cli("exec", name, "sh", "-c", "ip -4 -o addr show dev eth0; ip link show eth0; ip route").out
    assert f"inet {endpoint['IPAddress']}/{endpoint['IPPrefixLen']}" in inside
    assert endpoint["MacAddress"] in inside
    assert f"default via {endpoint['Gateway']} dev eth0" in inside
    assert settings["SandboxKey"]
    cli("kill", name)
    assert cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name).out in {"", "invalid IP"}


def test_containers_reach_each_other_by_address(cli: Docker, web: str) -> None:
    address = cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", web).out
    assert shell(cli, f"ping -c 1 -W 5 {address} >/dev/null && echo there") == "there"


def test_dns_settings(cli: Docker) -> None:
    flags = ("--dns", "10.9.8.7", "--dns-search", "a.test", "--dns-option", "ndots:3")
    conf = shell(cli, "cat /etc/resolv.conf", *flags)
    assert re.search(r"^nameserver 10\.9\.8\.7$", conf, re.M)
    assert re.search(r"^search a\.test$", conf, re.M)
    assert re.search(r"^options ndots:3$", conf, re.M)
    assert "IP address is not correctly formatted: nonsense" in cli.fails("run", "--dns", "nonsense", IMAGE, code=125)


def test_names_resolve_through_a_server_outside(cli: Docker) -> None:
    address = host_address()
    with socketserver.UDPServer((address, 53), Answer) as server, serving(server):
        answer = shell(cli, "ping -c 1 -W 1 some.outside.name.test 2>&1 | head -n 1", "--dns", address)
    assert "(10.99.88.77)" in answer


def test_the_hosts_resolvers_are_the_default(cli: Docker) -> None:
    with open("/etc/resolv.conf") as file:
        outside = [line.split()[1] for line in file if line.startswith("nameserver") and " 127." not in line]
    inside = re.findall(r"^nameserver (\S+)", shell(cli, "cat /etc/resolv.conf"), re.M)
    assert set(outside) <= set(inside)


def test_networks_are_listed(cli: Docker) -> None:
    names = cli("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}").lines
    assert {"bridge bridge local", "host host local", "none null local"} <= set(names)
    shown = json.loads(cli("network", "inspect", "bridge").out)[0]
    assert shown["IPAM"]["Config"][0]["Subnet"]
    assert shown["Options"]["com.docker.network.bridge.default_bridge"] == "true"
    assert "network gone not found" in cli.fails("network", "inspect", "gone")


def test_members_are_listed(cli: Docker, web: str) -> None:
    full = cli("inspect", "-f", "{{.Id}}", web).out
    members = json.loads(cli("network", "inspect", "-f", "{{json .Containers}}", "bridge").out)
    assert members[full]["Name"] == web
