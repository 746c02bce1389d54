"""A database server that is not there any more, without a word: its machine is off, or a cable is."""

import asyncio

import pytest

from pier.errors import Unavailable
from pier.linux import namespaces, process
from pier.metadata.registry.opening import open_records
from pier.testing.netns import INTERNET_ADDRESS, Host, on_a_host
from pier.testing.postgres import postgres

PORT = 5432


async def relay(folder: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To the server of the test, which has a unix socket alone."""
    theirs, ours = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{PORT}")

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        target.close()

    await asyncio.gather(copy(reader, ours), copy(theirs, writer), return_exceptions=True)


def cable(host: Host, state: str) -> None:
    """The server's: ``up`` or ``down``."""
    with namespaces.inside(host.internet):
        done = process.run_sync(["ip", "link", "set", "eth0", state])
    assert done.returncode == 0, done.stderr


@on_a_host
async def test_nobody_waits_for_a_server_that_is_unheard(host: Host) -> None:
    """Linux alone sends for 15 minutes before it gives up."""
    sock = await host.socket_in(host.internet)
    sock.bind((INTERNET_ADDRESS, PORT))
    with postgres() as server:
        folder = server.url.partition("host=")[2].partition("&")[0]
        async with await asyncio.start_server(lambda *ends: relay(folder, *ends), sock=sock) as listener:
            records = await open_records(f"postgresql://postgres@{INTERNET_ADDRESS}/postgres")
            await records.put_setting("before", b"x")
            await asyncio.to_thread(cable, host, "down")
            async with asyncio.timeout(90):
                with pytest.raises(Unavailable):
                    await records.put_setting("meanwhile", b"x")
            await asyncio.to_thread(cable, host, "up")
            async with asyncio.timeout(60):
                while True:
                    try:
                        await records.put_setting("after", b"x")
                        break
                    except Unavailable:
                        continue
            assert await records.setting("before") == await records.setting("after") == b"x"
            await records.stop()
            listener.close()
