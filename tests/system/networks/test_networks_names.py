"""Names are resolved by the host's resolver, also by one that listens on loopback only."""

import socket
from pathlib import Path

from pier.linux.mount import Mount, mount
from pier.testing.netns import INTERNET_ADDRESS, Host, on_a_host
from pier.testing.networks import connect, remove, running_networks


def put_resolv_conf(host: Host, text: str) -> None:
    """In this test's own mount namespace."""
    file = host.folder / "resolv.conf"
    file.write_text(text)
    mount(Mount("none", str(file), Path("/etc/resolv.conf"), ("bind",)))


@on_a_host
async def test_the_hosts_nameserver_is_asked(host: Host) -> None:
    put_resolv_conf(host, f"nameserver {INTERNET_ADDRESS}\nsearch example.org\n")
    async with running_networks(host) as networks, host.echo(host.internet, 53, socket.SOCK_DGRAM):
        sandbox, endpoint = await connect(networks, "c1")
        text = networks.resolv_conf(networks.find("bridge"))
        assert text == f"nameserver {INTERNET_ADDRESS}\nsearch example.org\n"
        assert await host.ask(sandbox, INTERNET_ADDRESS, 53, socket.SOCK_DGRAM)
        await remove(networks, endpoint)


@on_a_host
async def test_a_loopback_resolver_is_reached_by_way_of_the_gateway(host: Host) -> None:
    put_resolv_conf(host, "nameserver 127.0.0.1\n")
    resolver = await host.socket_in(None, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", 53))
    async with running_networks(host) as networks:
        sandbox, endpoint = await connect(networks, "c1")
        assert networks.resolv_conf(networks.find("bridge")) == f"nameserver {endpoint.gateway}\n"
        asked = await host.socket_in(sandbox, socket.SOCK_DGRAM)
        resolver.setblocking(True)
        resolver.settimeout(20)
        asked.connect((endpoint.gateway, 53))
        asked.send(b"question")
        question, origin = resolver.recvfrom(100)
        resolver.sendto(b"answer", origin)
        asked.setblocking(True)
        asked.settimeout(20)
        assert (question, asked.recv(100)) == (b"question", b"answer")
        asked.close()
        await remove(networks, endpoint)
    resolver.close()


@on_a_host
async def test_a_resolver_that_changes_is_followed(host: Host) -> None:
    put_resolv_conf(host, f"nameserver {INTERNET_ADDRESS}\n")
    async with running_networks(host) as networks, host.echo(None, 53, socket.SOCK_DGRAM):
        _, first = await connect(networks, "c1")
        (host.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        sandbox, second = await connect(networks, "c2")
        assert await host.ask(sandbox, second.gateway, 53, socket.SOCK_DGRAM) == "127.0.0.1"
        await remove(networks, first, second)
