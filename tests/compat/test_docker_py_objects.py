"""docker-py 7: images, volumes, networks, events and the engine itself."""

from datetime import datetime
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from tests.compat.archives import ImageParts, digest, docker_archive, file_layer
from tests.compat.conftest import IMAGE
from tests.compat.rootfs import busybox_rootfs


def test_the_engine(client: Any) -> None:
    assert client.ping() is True
    version = client.version()
    assert version["Os"] == "linux"
    assert client.info()["Driver"] == "overlay2"
    assert set(client.df()) >= {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"}


def test_images(client: Any, name: str) -> None:
    parts = ImageParts([busybox_rootfs(), file_layer({"made-for": name.encode()})], {"Cmd": ["cat", "/made-for"]})
    (image,) = client.images.load(docker_archive(parts, f"{name}:1"))
    assert image.id == parts.id
    assert image.tags == [f"{name}:1"]
    assert client.containers.run(f"{name}:1", remove=True) == name.encode()
    assert image.tag(name, "2")
    image.reload()
    assert sorted(image.tags) == [f"{name}:1", f"{name}:2"]
    assert [found.id for found in client.images.list(name)] == [parts.id]
    assert [entry["CreatedBy"] for entry in image.history()] == ["layer 1", "layer 0"]
    saved = b"".join(image.save(named=f"{name}:2"))
    client.images.remove(f"{name}:1")
    client.images.remove(f"{name}:2")
    with pytest.raises(ImageNotFound, match="No such image"):
        client.images.get(f"{name}:1")
    (again,) = client.images.load(saved)
    assert (again.id, again.tags) == (parts.id, [f"{name}:2"])
    client.images.remove(again.id, force=True)


def test_import(client: Any, name: str) -> None:
    client.api.import_image_from_data(busybox_rootfs(), repository=name, tag="1", changes=["CMD sh"])
    image = client.images.get(f"{name}:1")
    assert image.attrs["RootFS"]["Layers"] == [digest(busybox_rootfs())]
    client.images.remove(image.id)


def test_prune(client: Any, name: str) -> None:
    parts = ImageParts([busybox_rootfs(), file_layer({"x": name.encode()})], {"Labels": {"mine": name}})
    client.images.load(docker_archive(parts))
    pruned = client.images.prune({"label": f"mine={name}"})
    assert {"Deleted": parts.id} in pruned["ImagesDeleted"]


def test_volumes(client: Any, name: str) -> None:
    volume = client.volumes.create(name, labels={"a": "b"})
    assert volume.attrs["Labels"] == {"a": "b"}
    assert [found.name for found in client.volumes.list(filters={"name": name})] == [name]
    options = {"volumes": {name: {"bind": "/v", "mode": "rw"}}, "remove": True}
    client.containers.run(IMAGE, ["sh", "-c", "echo kept >/v/x"], **options)
    assert client.containers.run(IMAGE, ["cat", "/v/x"], **options) == b"kept\n"
    volume.remove()
    with pytest.raises(NotFound, match="no such volume"):
        client.volumes.get(name)


def test_networks(client: Any) -> None:
    by_name = {network.name: network for network in client.networks.list()}
    assert {"bridge", "host", "none"} <= set(by_name)
    assert client.networks.get("bridge").attrs["Driver"] == "bridge"
    with pytest.raises(NotFound, match="network gone not found"):
        client.networks.get("gone")


def test_events(client: Any, name: str, labels: dict[str, str]) -> None:
    container = client.containers.create(IMAGE, ["true"], name=name, labels=labels)
    container.start()
    container.wait()
    container.remove()
    seen = client.events(since=int(container_time(client)) - 60, until=int(container_time(client)) + 1, decode=True)
    mine = [event for event in seen if event.get("id") == container.id]
    assert [event["status"] for event in mine] == ["create", "start", "die", "destroy"]


def container_time(client: Any) -> float:
    """The engine's clock, in seconds."""
    return datetime.fromisoformat(client.info()["SystemTime"][:26].rstrip("Z") + "+00:00").timestamp()


def test_conflicts_are_409_and_bad_requests_400(client: Any, name: str, labels: dict[str, str]) -> None:
    container = client.containers.create(IMAGE, ["true"], name=name, labels=labels)
    with pytest.raises(APIError) as caught:
        client.containers.create(IMAGE, name=name)
    assert caught.value.status_code == 409
    with pytest.raises(APIError) as caught:
        client.containers.create(IMAGE, name="-bad")
    assert caught.value.status_code == 400
    with pytest.raises(APIError) as caught:
        container.kill()
    assert caught.value.status_code == 409
