"""Finding, naming and keeping records; what is stored comes back whole."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pier.containers.background import Background
from pier.containers.config import ContainerConfig, EndpointSettings, HealthConfig
from pier.containers.container import Container, MountPoint, State
from pier.containers.hostconfig import HostConfig, HostPort, RestartPolicy
from pier.containers.registry import Registry
from pier.errors import Conflict, DataCorrupted, InvalidArgument, NotFound
from pier.metadata.containers import SqliteContainerStore
from pier.metadata.db import Database
from pier.networks.network import Endpoint, PortBinding
from pier.oci.digest import Digest
from pier.runtime.runtime import Stdio, Supervised


def record(container_id: str, name: str, **more: Any) -> Container:
    plain = Container(
        id=container_id, name=name, created=1, image_id="sha256:1", image_name="box", parent=None,
        config=ContainerConfig(), host_config=HostConfig(), path="sh",
    )  # fmt: skip
    return plain.replace(**more)


FULL = record(
    "a" * 64, "full", args=("-c", "x"), parent=Digest("sha256:" + "0" * 64), networks={"bridge": EndpointSettings()},
    config=ContainerConfig(env=("A=b",), cmd=(), healthcheck=HealthConfig(test=("NONE",)), volumes={"/v": {}}),
    host_config=HostConfig(
        binds=("/a:/b",), dns=(), port_bindings={"80/tcp": (HostPort(host_port="1"),)},
        restart_policy=RestartPolicy(name="always"), console_size=(24, 80), oom_kill_disable=False,
    ),
    mounts=(MountPoint(type="volume", name="v", destination="/b", anonymous=True),),
    state=State(status="running", pid=5, started_at=7),
    supervised=Supervised("i", "crun", "/x", 1, 1, 2, 2, "/", Stdio(log_path="/l")),
    endpoints=(
        Endpoint(id="e", network_id="n", network_name="b", container_id="a", ports=(PortBinding(1, "tcp", "", 2),)),
    ),
    restart_count=2, stopped_by_user=True,
)  # fmt: skip


def test_a_record_survives_a_restart_whole(tmp_path: Path) -> None:
    store = SqliteContainerStore(Database(tmp_path / "db"))
    store.put_container(FULL)
    store.put_container(record("b" * 64, "plain"))
    again = SqliteContainerStore(Database(tmp_path / "db"))
    assert again.containers() == [FULL, record("b" * 64, "plain")]
    again.delete_container("a" * 64)
    again.delete_container("a" * 64)
    assert [each.name for each in again.containers()] == ["plain"]


def test_the_store_refuses_a_second_owner_of_a_name_and_nonsense() -> None:
    database = Database(":memory:")
    store = SqliteContainerStore(database)
    store.put_container(record("a" * 64, "one"))
    with pytest.raises(Conflict):
        store.put_container(record("b" * 64, "one"))
    with database.transaction() as sql:
        sql.execute("UPDATE containers SET record = '{'")
    with pytest.raises(DataCorrupted, match="the record of container aaaa"):
        store.containers()


@pytest.fixture
def registry() -> Registry:
    store = SqliteContainerStore(Database(":memory:"))
    for container_id, name in (("abc" + "0" * 61, "one"), ("abd" + "0" * 61, "two"), ("f" * 64, "abc")):
        store.put_container(record(container_id, name))
    return Registry(store)


@pytest.mark.parametrize(
    ("reference", "name"),
    [("one", "one"), ("/two", "two"), ("abd", "two"), ("ff", "abc"), ("abc", "abc"), ("f" * 64, "abc")],
)
async def test_finding(registry: Registry, reference: str, name: str) -> None:
    assert registry.find(reference).record.name == name


async def test_what_is_not_found(registry: Registry) -> None:
    for reference in ("nope", "", "/", "abcd"):
        with pytest.raises(NotFound) as caught:
            registry.find(reference)
        assert str(caught.value) == f"No such container: {reference}"
    with pytest.raises(InvalidArgument, match=r"^multiple IDs found with provided prefix: ab$"):
        registry.find("ab")


async def test_names_are_reserved_once_and_free_again(registry: Registry) -> None:
    registry.reserve("new", "x")
    registry.reserve("new", "x")
    with pytest.raises(Conflict, match='name "/new" is already in use by container "x"'):
        registry.reserve("new", "y")
    registry.release("new", "y")
    assert registry.owner("new") == "x"
    registry.release("new", "x")
    registry.remove(registry.find("one"))
    assert registry.owner("new") is registry.owner("one") is None and len(registry) == 2


async def test_who_uses_a_volume_or_an_image(registry: Registry) -> None:
    live = registry.find("one")
    mount = MountPoint(type="volume", name="v", destination="/v")
    registry.put(live, live.record.replace(mounts=(mount,), state=State(status="paused")))
    assert registry.volume_users("v") == [live.record.id]
    with registry.claiming("new", {"v", "w"}):
        assert registry.volume_users("w") == ["new"] and len(registry.volume_users("v")) == 2
    assert registry.volume_users("w") == []
    assert sorted(running for _, running in registry.image_users("sha256:1")) == [False, False, True]


async def test_work_goes_on_when_whoever_awaits_it_is_cancelled() -> None:
    background, begun, may_end = Background(), asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def work() -> str:
        begun.set()
        await may_end.wait()
        done.append("done")
        return "result"

    waiting = asyncio.create_task(background.through(work()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_end.set()
    await background.drain()
    assert done == ["done"]
    assert await background.through(work()) == "result"
