"""Containers on the bridge: out by NAT, in by published ports, and nothing left behind."""

import asyncio
import socket
import time

import pytest

from pier.errors import PierError
from pier.linux import process
from pier.networks.network import PortRequest
from pier.testing.netns import HOST_ADDRESS, INTERNET_ADDRESS, Host, on_a_host
from pier.testing.networks import connect, link_names, remove, running_networks, table_names

UDP = socket.SOCK_DGRAM


@on_a_host
async def test_reaches_out_under_the_hosts_address(host: Host) -> None:
    async with running_networks(host) as networks, host.echo(host.internet, 80), host.echo(host.internet, 53, UDP):
        sandbox, endpoint = await connect(networks, "c1")
        assert await host.ask(sandbox, INTERNET_ADDRESS, 80) == HOST_ADDRESS
        assert await host.ask(sandbox, INTERNET_ADDRESS, 53, UDP) == HOST_ADDRESS
        await remove(networks, endpoint)


@on_a_host
async def test_published_port_answers_from_everywhere(host: Host) -> None:
    async with running_networks(host) as networks:
        web, first = await connect(networks, "web", PortRequest(80, "tcp", "", 8080), PortRequest(53, "udp", "", 53))
        other, second = await connect(networks, "other")
        async with host.echo(web, 80), host.echo(web, 53, UDP):
            for port, kind in ((8080, socket.SOCK_STREAM), (53, UDP)):
                assert await host.ask(None, "127.0.0.1", port, kind) == first.gateway
                assert await host.ask(None, HOST_ADDRESS, port, kind)
                assert await host.ask(host.internet, HOST_ADDRESS, port, kind) == INTERNET_ADDRESS
                assert await host.ask(other, HOST_ADDRESS, port, kind)
                assert await host.ask(other, first.gateway, port, kind)
                assert await host.ask(web, HOST_ADDRESS, port, kind)
            assert await host.ask(other, first.address, 80) == second.address
            assert await host.ask(None, first.address, 80) == first.gateway
        await remove(networks, first, second)


@on_a_host
async def test_udp_client_that_never_pauses_finds_the_new_container(host: Host) -> None:
    loop = asyncio.get_running_loop()
    client = await host.socket_in(host.internet, UDP)
    client.connect((HOST_ADDRESS, 5353))

    async def heard() -> bool:
        async with asyncio.timeout(20):
            await loop.sock_sendall(client, b"?")
            try:
                return bool(await loop.sock_recv(client, 100))
            except ConnectionRefusedError:
                return False

    async with running_networks(host) as networks:
        assert not await heard()
        for name in ("first", "second"):
            sandbox, endpoint = await connect(networks, name, PortRequest(53, "udp", "", 5353))
            async with host.echo(sandbox, 53, UDP):
                assert await heard()
            await remove(networks, endpoint)
        client.close()


@on_a_host
async def test_port_on_loopback_is_for_the_host_alone(host: Host) -> None:
    async with running_networks(host) as networks:
        web, endpoint = await connect(networks, "web", PortRequest(80, "tcp", "127.0.0.1", 8080))
        async with host.echo(web, 80):
            assert await host.ask(None, "127.0.0.1", 8080) == endpoint.gateway
            with pytest.raises(ConnectionRefusedError):
                await host.ask(host.internet, HOST_ADDRESS, 8080)
            # A neighbour may send anything to our hardware address.
            await host.run_in(host.internet, lambda: route_to("127.0.0.0", 8))
            with pytest.raises((TimeoutError, OSError)):
                await host.ask(host.internet, "127.0.0.1", 8080, timeout=0.5)
        await remove(networks, endpoint)


@on_a_host
async def test_unpublished_port_is_closed_to_neighbours(host: Host) -> None:
    async with running_networks(host) as networks:
        web, endpoint = await connect(networks, "web", PortRequest(80, "tcp", "", 8080))
        await host.run_in(host.internet, lambda: route_to("172.16.0.0", 12))
        async with host.echo(web, 80), host.echo(web, 81):
            with pytest.raises(TimeoutError):
                await host.ask(host.internet, endpoint.address, 81, timeout=0.5)
            with pytest.raises(TimeoutError):
                await host.ask(host.internet, endpoint.address, 80, timeout=0.5)
        await remove(networks, endpoint)


@on_a_host
async def test_containers_do_not_reach_the_hosts_loopback(host: Host) -> None:
    async with running_networks(host) as networks, host.echo(None, 9000):
        sandbox, endpoint = await connect(networks, "c1")
        await host.run_in(sandbox, lambda: route_to("127.0.0.0", 8, endpoint.gateway))
        assert await host.ask(sandbox, endpoint.gateway, 9000) == endpoint.address
        with pytest.raises((TimeoutError, OSError)):
            await host.ask(sandbox, "127.0.0.1", 9000, timeout=0.5)
        await remove(networks, endpoint)


def route_to(network: str, prefix_len: int, gateway: str = HOST_ADDRESS) -> None:
    for argv in (
        ["ip", "route", "del", "local", f"{network}/{prefix_len}", "table", "local"],
        ["ip", "route", "replace", f"{network}/{prefix_len}", "via", gateway],
        ["sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1"],
    ):
        process.run_sync(argv)


@on_a_host
async def test_ports_in_use_are_refused_in_dockers_words(host: Host) -> None:
    async with running_networks(host) as networks, host.echo(None, 9000):
        _, first = await connect(networks, "c1", PortRequest(80, "tcp", "", 8080))
        sandbox = await networks.create_sandbox("c2")
        for port, text in (
            (8080, "Bind for 0.0.0.0:8080 failed: port is already allocated"),
            (9000, "failed to bind host port 0.0.0.0:9000/tcp: address already in use"),
        ):
            with pytest.raises(PierError) as caught:
                requests = [PortRequest(81, "tcp", "", 8081), PortRequest(80, "tcp", "", port)]
                await networks.connect("c2", sandbox, networks.find("bridge"), requests, name="two")
            assert str(caught.value).startswith(
                "driver failed programming external connectivity on endpoint two ("
            ) and str(caught.value).endswith(text)
        assert len(networks.endpoints(networks.find("bridge").id)) == 1
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 8081))  # what the failed attempt had held is free
        await remove(networks, first)
        await networks.remove_sandbox("c2")


@on_a_host
async def test_nothing_is_left(host: Host) -> None:
    before = link_names()
    async with running_networks(host) as networks:
        _, endpoint = await connect(networks, "c1", PortRequest(80, "tcp", "", 8080))
        assert link_names() - before == {"pier0", endpoint.interface}
        assert table_names() == {"pier-pier0"}
        assert await networks.verify() == []
        await remove(networks, endpoint)
        assert list((host.folder / "run" / "netns").iterdir()) == []
        await networks._reaper.finished()
        assert link_names() - before == {"pier0"}
        assert networks._store.endpoints() == []
        assert await networks.verify() == []
    assert link_names() == before
    assert table_names() == set()


@on_a_host
async def test_sandbox_that_is_held_open_loses_its_interface(host: Host) -> None:
    async with running_networks(host) as networks:
        sandbox, endpoint = await connect(networks, "c1")
        holder = await host.socket_in(sandbox)
        await remove(networks, endpoint)
        await networks._reaper.finished()
        assert endpoint.interface not in link_names()
        holder.close()


@on_a_host
async def test_connecting_takes_milliseconds(host: Host) -> None:
    async with running_networks(host) as networks:
        _, warm = await connect(networks, "warm", PortRequest(80))
        connects, disconnects = [], []
        for number in range(15):
            began = time.perf_counter()
            _, endpoint = await connect(networks, f"c{number}", PortRequest(80))
            connects.append(time.perf_counter() - began)
            began = time.perf_counter()
            await networks.disconnect(endpoint)
            disconnects.append(time.perf_counter() - began)
            await networks.remove_sandbox(endpoint.container_id)
        print("connect", [round(each * 1000, 2) for each in connects])
        print("disconnect", [round(each * 1000, 2) for each in disconnects])
        assert min(connects) < 0.006
        assert min(disconnects) < 0.001
        await remove(networks, warm)
