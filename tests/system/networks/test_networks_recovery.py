"""``pierd`` killed and back: what lives goes on, what does not is gone."""

import asyncio
import socket

import pytest

from pier.errors import Conflict
from pier.linux import process
from pier.networks.network import PortRequest
from pier.networks.service import Networks, NetworkSettings
from pier.testing.netns import HOST_ADDRESS, INTERNET_ADDRESS, Host, on_a_host
from pier.testing.networks import connect, kill, link_names, new_store, remove, running_networks, table_names


@on_a_host
async def test_the_living_keep_address_and_ports_and_the_dead_are_buried(host: Host) -> None:
    store = new_store()
    first = Networks(store, NetworkSettings(host.folder / "run"))
    await first.start()
    web, alive = await connect(first, "alive", PortRequest(80, "tcp", "", 8080), PortRequest(81))
    dead = [(await connect(first, f"dead{number}", PortRequest(80, "tcp", "", 8090 + number)))[1] for number in (1, 2)]
    await kill(first)

    async with running_networks(host, store, {"alive": [alive.id]}) as networks, host.echo(web, 80):
        assert [endpoint.id for endpoint in store.endpoints()] == [alive.id]
        assert not {endpoint.interface for endpoint in dead} & link_names()
        assert [path.name for path in (host.folder / "run" / "netns").iterdir()] == ["alive"]
        assert await host.ask(host.internet, HOST_ADDRESS, 8080) == INTERNET_ADDRESS
        with pytest.raises(ConnectionRefusedError):
            await host.ask(host.internet, HOST_ADDRESS, 8091)
        with socket.socket() as probe, pytest.raises(OSError):
            probe.bind(("0.0.0.0", 8080))
        assert await networks.verify() == []
        _, later = await connect(networks, "later")
        assert later.address != alive.address
        await remove(networks, alive, later)
    assert table_names() == set() and "pier0" not in link_names()


@on_a_host
async def test_killed_between_the_record_and_the_interface(host: Host) -> None:
    store = new_store()
    async with running_networks(host, store) as networks:
        _, endpoint = await connect(networks, "c1")
        await remove(networks, endpoint)
    store.put_endpoint(endpoint)
    async with running_networks(host, store):
        assert store.endpoints() == []


@on_a_host
async def test_interface_without_a_record_is_removed(host: Host) -> None:
    store = new_store()
    first = Networks(store, NetworkSettings(host.folder / "run"))
    await first.start()
    _, endpoint = await connect(first, "c1")
    await kill(first)
    store.delete_endpoints([endpoint.id])
    async with running_networks(host, store) as networks:
        assert endpoint.interface not in link_names()
        assert await networks.verify() == []


@on_a_host
async def test_containers_outlive_an_orderly_end_of_the_daemon(host: Host) -> None:
    store = new_store()
    async with running_networks(host, store) as networks:
        web, endpoint = await connect(networks, "web", PortRequest(80, "tcp", "", 8080))
    async with host.echo(web, 80):
        assert await host.ask(host.internet, HOST_ADDRESS, 8080) == INTERNET_ADDRESS
    async with running_networks(host, store, {"web": [endpoint.id]}) as networks:
        await remove(networks, endpoint)
    assert table_names() == set() and "pier0" not in link_names()


@on_a_host
async def test_a_bridge_that_was_deleted_is_made_again(host: Host) -> None:
    store = new_store()
    first = Networks(store, NetworkSettings(host.folder / "run"))
    await first.start()
    sandbox, endpoint = await connect(first, "c1")
    await kill(first)
    process.run_sync(["ip", "link", "delete", "pier0"])
    async with running_networks(host, store, {"c1": [endpoint.id]}) as networks, host.echo(host.internet, 80):
        assert await host.ask(sandbox, INTERNET_ADDRESS, 80) == HOST_ADDRESS
        await remove(networks, endpoint)


@on_a_host
async def test_changed_settings_reach_a_bridge_that_was_left(host: Host) -> None:
    store = new_store()
    first = Networks(store, NetworkSettings(host.folder / "run", bip="10.66.0.1/24"))
    await first.start()
    _, endpoint = await connect(first, "c1")
    await remove(first, endpoint)
    await first._reaper.finished()
    await kill(first)
    async with running_networks(host, store, bip="10.77.0.1/24") as networks:
        _, endpoint = await connect(networks, "c1")
        assert endpoint.gateway == "10.77.0.1"
        shown = process.run_sync(["ip", "-4", "-brief", "address", "show", "pier0"]).stdout.decode()
        assert "10.77.0.1/24" in shown and "10.66.0.1" not in shown
        await remove(networks, endpoint)


@on_a_host
async def test_a_bridge_of_another_daemon_is_left_alone(host: Host) -> None:
    async with running_networks(host) as first:
        _, endpoint = await connect(first, "c1")
        async with running_networks(host, run=host.folder / "other") as second:
            with pytest.raises(Conflict, match="bridge pier0 belongs to another pierd"):
                await connect(second, "c2")
            await second.remove_sandbox("c2")
            assert second.endpoints(second.find("bridge").id) == ()
        assert "pier0" in link_names() and table_names() == {"pier-pier0"}
        await remove(first, endpoint)


@on_a_host
async def test_ends_that_are_cancelled_leave_nothing(host: Host) -> None:
    async with running_networks(host) as networks:
        ports = [PortRequest(80, "tcp", "", 8080)]
        for delay in (0.0, 0.0005, 0.001, 0.002, 0.003, 0.01):
            sandbox = await networks.create_sandbox("c1")
            task = asyncio.ensure_future(networks.connect("c1", sandbox, networks.find("bridge"), ports))
            await asyncio.wait([task], timeout=delay)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await networks.disconnect(task.result())
            await networks.remove_sandbox("c1")
        await networks._reaper.finished()
        assert await networks.verify() == [] and networks._ports.held == frozenset()
        assert not [name for name in link_names() if name.startswith("veth")]
