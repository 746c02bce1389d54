"""Side by side with other daemons, other engines and the host's own firewall."""

import asyncio
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from pier.errors import InvalidArgument, PierError
from pier.linux import links, namespaces, nftables, process
from pier.networks.network import PortRequest
from pier.testing.netns import HOST_ADDRESS, INTERNET_ADDRESS, Host, on_a_host
from pier.testing.networks import connect, link_names, remove, running_networks, table_names


def run(*argv: str) -> str:
    finished = process.run_sync(argv)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.decode()


@on_a_host
async def test_two_daemons(host: Host) -> None:
    async with running_networks(host) as one:
        web, first = await connect(one, "web", PortRequest(80, "tcp", "", 8080))
        async with running_networks(host, run=host.folder / "other", bridge="pier9") as two, host.echo(web, 80):
            sandbox, second = await connect(two, "other", PortRequest(80))
            assert not IPv4Network(one.find("bridge").subnet).overlaps(IPv4Network(two.find("bridge").subnet))
            assert await host.ask(sandbox, HOST_ADDRESS, 8080)
            with pytest.raises(TimeoutError):
                await host.ask(sandbox, first.address, 80, timeout=0.5)
            with pytest.raises(PierError, match=r"failed to bind host port .*: address already in use"):
                await two.connect("c3", sandbox, two.find("bridge"), [PortRequest(80, "tcp", "", 8080)])
            await remove(two, second)
        assert table_names() == {"pier-pier0"} and "pier9" not in link_names()
        await remove(one, first)


@on_a_host
async def test_beside_a_docker_that_drops_what_it_does_not_know(host: Host) -> None:
    run("iptables", "-N", "DOCKER-USER")
    run("iptables", "-A", "FORWARD", "-j", "DOCKER-USER")
    run("iptables", "-P", "FORWARD", "DROP")
    before = run("iptables", "-S")
    async with running_networks(host) as networks, host.echo(host.internet, 80):
        web, endpoint = await connect(networks, "web", PortRequest(80, "tcp", "", 8080))
        assert await host.ask(web, INTERNET_ADDRESS, 80) == HOST_ADDRESS
        async with host.echo(web, 80):
            assert await host.ask(host.internet, HOST_ADDRESS, 8080) == INTERNET_ADDRESS
        assert run("iptables", "-S").count("pier-pier0") == 2
        await remove(networks, endpoint)
    assert run("iptables", "-S") == before


def docker_container(path: Path) -> None:
    """A container at 10.55.0.2 behind docker0, as a Docker up to 27 would have it."""
    run("ip", "link", "add", "docker0", "type", "bridge")
    run("ip", "address", "add", "10.55.0.1/24", "dev", "docker0")
    run("ip", "link", "set", "docker0", "up")
    namespaces.pin_new(path)
    with links.open_route_socket() as sock, namespaces.inside(path) as namespace:
        bridge = links.find_link(sock, "docker0")
        assert bridge is not None
        sock.batch([links.new_veth(links.Veth("d0", bridge.index, 1500, "eth0", "02:00:00:00:00:55", namespace))])
        run("ip", "address", "add", "10.55.0.2/24", "dev", "eth0")
        run("ip", "link", "set", "eth0", "up")
        run("ip", "route", "add", "default", "via", "10.55.0.1")
    for chain in ("DOCKER", "DOCKER-USER"):
        run("iptables", "-N", chain)
    run("iptables", "-A", "FORWARD", "-o", "docker0", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
    run("iptables", "-A", "FORWARD", "-o", "docker0", "-j", "DOCKER")
    run("iptables", "-A", "FORWARD", "-i", "docker0", "!", "-o", "docker0", "-j", "ACCEPT")
    run("iptables", "-A", "DOCKER", "!", "-i", "docker0", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
    run("iptables", "-P", "FORWARD", "DROP")
    run(
        "iptables",
        "-t",
        "nat",
        "-A",
        "PREROUTING",
        "-p",
        "tcp",
        "--dport",
        "8055",
        "-j",
        "DNAT",
        "--to",
        "10.55.0.2:80",
    )


@on_a_host
async def test_containers_of_docker_and_ours_meet_through_published_ports_only(host: Host) -> None:
    theirs = host.folder / "theirs"
    async with running_networks(host) as networks:
        ours, endpoint = await connect(networks, "ours", PortRequest(80, "tcp", "", 8080))
        await host.run_in(None, lambda: docker_container(theirs))
        async with host.echo(theirs, 80), host.echo(theirs, 81), host.echo(ours, 80), host.echo(ours, 81):
            assert await answers_again(host, theirs, HOST_ADDRESS, 8080) == "10.55.0.2"
            assert await host.ask(ours, HOST_ADDRESS, 8055)
            for place, address in ((ours, "10.55.0.2"), (theirs, endpoint.address)):
                with pytest.raises(TimeoutError):
                    await host.ask(place, address, 81, timeout=0.5)
        await remove(networks, endpoint)
    namespaces.unpin(theirs)


@on_a_host
async def test_the_hosts_own_firewall_has_the_last_word(host: Host) -> None:
    run("iptables", "-P", "FORWARD", "DROP")
    async with running_networks(host) as networks, host.echo(host.internet, 80):
        web, endpoint = await connect(networks, "web", PortRequest(80, "tcp", "", 8080))
        assert await host.ask(web, INTERNET_ADDRESS, 80) == HOST_ADDRESS
        async with host.echo(web, 80):
            assert await host.ask(None, HOST_ADDRESS, 8080)
            with pytest.raises(TimeoutError):
                await host.ask(host.internet, HOST_ADDRESS, 8080, timeout=0.5)
            run("iptables", "-I", "FORWARD", "-o", "pier0", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
            assert await host.ask(host.internet, HOST_ADDRESS, 8080) == INTERNET_ADDRESS
        await remove(networks, endpoint)


@on_a_host
async def test_docker_that_comes_later_is_noticed(host: Host) -> None:
    async with running_networks(host) as networks, host.echo(host.internet, 80):
        sandbox, endpoint = await connect(networks, "c1")
        run("iptables", "-P", "FORWARD", "DROP")
        assert await answers_again(host, sandbox, INTERNET_ADDRESS, 80) == HOST_ADDRESS
        await remove(networks, endpoint)


@on_a_host
async def test_flushed_rules_heal_within_two_seconds(host: Host) -> None:
    async with running_networks(host) as networks:
        web, endpoint = await connect(networks, "web", PortRequest(80, "tcp", "", 8080))
        async with host.echo(web, 80):
            run("nft", "flush", "ruleset")
            assert await answers_again(host, host.internet, HOST_ADDRESS, 8080) == INTERNET_ADDRESS
            run("nft", "delete", "table", "ip", "pier-pier0")
            assert await answers_again(host, None, "127.0.0.1", 8080) == endpoint.gateway
        await remove(networks, endpoint)
        assert nftables.query("list map ip pier-pier0 any")[-1]["map"].get("elem") is None


async def answers_again(host: Host, place: Path | None, address: str, port: int) -> str:
    """A connection that is refused or unheard is tried again."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await host.ask(place, address, port, timeout=0.3)
            except (TimeoutError, ConnectionRefusedError):
                continue


@on_a_host
async def test_a_bridge_of_the_users_own(host: Host) -> None:
    run("ip", "link", "add", "br7", "type", "bridge")
    run("ip", "address", "add", "10.77.0.1/24", "dev", "br7")
    run("ip", "link", "set", "br7", "up")
    async with running_networks(host, bridge="br7") as networks, host.echo(host.internet, 80):
        sandbox, endpoint = await connect(networks, "c1")
        assert (endpoint.address, endpoint.gateway) == ("10.77.0.2", "10.77.0.1")
        assert await host.ask(sandbox, INTERNET_ADDRESS, 80) == HOST_ADDRESS
        await remove(networks, endpoint)
    assert "br7" in link_names() and table_names() == set()


@on_a_host
async def test_bip_is_honoured(host: Host) -> None:
    async with running_networks(host, bip="10.66.0.9/28") as networks:
        _, endpoint = await connect(networks, "c1")
        assert (endpoint.gateway, endpoint.address, endpoint.prefix_len) == ("10.66.0.9", "10.66.0.1", 28)
        await remove(networks, endpoint)
    with pytest.raises(InvalidArgument, match="invalid --bip"):
        async with running_networks(host, bip="10.66.0.0/24"):
            pass


@on_a_host
async def test_subnet_avoids_the_hosts_routes(host: Host) -> None:
    run("ip", "route", "add", "172.29.0.0/16", "via", INTERNET_ADDRESS)
    async with running_networks(host) as networks:
        _, endpoint = await connect(networks, "c1")
        assert endpoint.gateway == "172.30.0.1"
        assert networks.find("bridge").mtu == 1400  # that of the way out
        await remove(networks, endpoint)
