"""Push to and pull from a real Distribution registry, and what the user is told meanwhile."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from pier.errors import NotFound, Unauthorized
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.importing import ImportOptions, import_tar
from pier.images.pull import pull
from pier.images.push import push
from pier.images.release import forget
from pier.oci.platform import parse_platform
from pier.oci.reference import Reference, parse_reference
from pier.remote.client import Registries
from pier.remote.settings import Credentials
from pier.testing.images import Told, layer_tar, layers_left, pieces
from pier.testing.registry import PASSWORD, USER, distribution
from pier.testing.tokens import token_server

_NOBODY = None


async def _make(images: Images, name: str, told: Told, **files: bytes) -> Image:
    options = ImportOptions(reference=parse_reference(name), changes=("CMD true",))
    return await import_tar(images, pieces(layer_tar(**files)), options, told)


async def _everything_away(images: Images) -> None:
    for image in images.store.list():
        await forget(images, image)
    assert layers_left(images) == []


async def test_there_and_back(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        image = await _make(images, str(reference), told, file=os.urandom(300_000), other=b"text")
        told.clear()
        await push(images, registries, reference, _NOBODY, told)
        layer = image.diff_ids[0][7:19]
        assert told[0] == {"status": f"The push refers to repository [{registry.host}/team/app]"}
        assert told.statuses(layer) == ["Preparing", "Pushing", "Pushed"]
        aux = told[-1]["aux"]
        assert told[-2] == {"status": f"1: digest: {aux['Digest']} size: {aux['Size']}"}
        assert aux["Tag"] == "1"

        told.clear()
        pulled = await pull(others, registries, reference, None, _NOBODY, told)
        assert pulled.id == image.id
        (blob,) = others.store.blob_of(image.diff_ids[0])
        key = blob.digest[7:19]
        assert told[0] == {"status": "Pulling from team/app", "id": "1"}
        assert told.statuses(key) == [
            "Pulling fs layer", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"
        ]  # fmt: skip
        assert told[-2:] == [
            {"status": f"Digest: {aux['Digest']}"},
            {"status": f"Status: Downloaded newer image for {reference}"},
        ]
        assert others.content.exists(blob.digest)
        root = others.snapshots.layer(pulled.chain_ids[0]).root
        assert (root / "other").read_bytes() == b"text"
        assert pulled.id in {each.id for each in others.store.list()}
        assert others.store.resolve(reference) == pulled.id
        assert others.store.resolve(reference.with_digest(aux["Digest"])) == pulled.id


async def test_pulling_what_is_here_asks_once(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        await _make(images, str(reference), told, file=b"1")
        await push(images, registries, reference, _NOBODY, told)
        await pull(others, registries, reference, None, _NOBODY, told)
        told.clear()
        await pull(others, registries, reference, None, _NOBODY, told)
        assert [each["status"].partition(":")[0] for each in told] == ["Pulling from team/app", "Digest", "Status"]
        assert told[-1] == {"status": f"Status: Image is up to date for {reference}"}


async def test_a_second_push_finds_its_layers_and_a_second_repository_mounts_them(
    tmp_path: Path, images: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        image = await _make(images, str(reference), told, file=b"1")
        layer = image.diff_ids[0][7:19]
        await push(images, registries, reference, _NOBODY, told)
        digests = [told[-1]["aux"]["Digest"]]
        told.clear()
        await push(images, registries, reference, _NOBODY, told)
        digests.append(told[-1]["aux"]["Digest"])
        assert told.statuses(layer) == ["Preparing", "Layer already exists"]
        second = parse_reference(f"{registry.host}/other/app:1")
        images.store.tag(second, image.id)
        told.clear()
        await push(images, registries, second, _NOBODY, told)
        digests.append(told[-1]["aux"]["Digest"])
        assert told.statuses(layer) == ["Preparing", "Mounted from team/app"]
        assert len(set(digests)) == 1


async def test_a_pulled_image_keeps_its_digest_on_another_registry(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as first, distribution(tmp_path) as second:
        reference = parse_reference(f"{first.host}/team/app:1")
        await _make(images, str(reference), told, file=os.urandom(10_000))
        await push(images, registries, reference, _NOBODY, told)
        digest = told[-1]["aux"]["Digest"]
        image = await pull(others, registries, reference, None, _NOBODY, told)
        target = parse_reference(f"{second.host}/mirror/app:1")
        others.store.tag(target, image.id)
        await push(others, registries, target, _NOBODY, told)
        assert told[-1]["aux"]["Digest"] == digest


async def test_all_tags(tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told) -> None:
    async with distribution(tmp_path) as registry:
        name = f"{registry.host}/team/app"
        for tag in ("one", "two"):
            await _make(images, f"{name}:{tag}", told, file=tag.encode())
        repository = parse_reference(name)
        await push(images, registries, repository, _NOBODY, told)
        assert [each["aux"]["Tag"] for each in told if "aux" in each] == ["one", "two"]
        await pull(others, registries, repository, None, _NOBODY, told)
        assert told[-1] == {"status": f"Status: Downloaded newer image for {name}"}
        assert sorted(text for each in others.store.list() for text in each.repo_tags) == [f"{name}:one", f"{name}:two"]


async def test_what_is_not_here_cannot_be_pushed(
    tmp_path: Path, images: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        name = f"{registry.host}/team/app"
        with pytest.raises(NotFound, match=f"^An image does not exist locally with the tag: {name}$"):
            await push(images, registries, parse_reference(name), _NOBODY, told)
        await _make(images, f"{name}:1", told, file=b"1")
        with pytest.raises(NotFound, match=f"^tag does not exist: {name}:99$"):
            await push(images, registries, parse_reference(f"{name}:99"), _NOBODY, told)


async def test_what_is_not_there_cannot_be_pulled(
    tmp_path: Path, images: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        name = f"{registry.host}/team/none"
        with pytest.raises(NotFound) as caught:
            await pull(images, registries, parse_reference(f"{name}:1"), None, _NOBODY, told)
        assert str(caught.value) == f"manifest for {name}:1 not found: manifest unknown: manifest unknown"
        with pytest.raises(NotFound, match=f"^repository {name} not found: name unknown: "):
            await pull(images, registries, parse_reference(name), None, _NOBODY, told)
        assert told == []


async def test_the_wrong_platform_is_refused_before_any_layer(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        await _make(images, str(reference), told, file=b"1")
        await push(images, registries, reference, _NOBODY, told)
        with pytest.raises(NotFound, match="was found but does not match the specified platform: wanted linux/s390x"):
            await pull(others, registries, reference, parse_platform("linux/s390x"), _NOBODY, told)
        assert list(others.store.list()) == []
        assert layers_left(others) == []


async def test_passwords_and_tokens(tmp_path: Path, images: Images, registries: Registries, told: Told) -> None:
    good = Credentials(USER, PASSWORD)
    async with distribution(tmp_path, htpasswd=True) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        await _make(images, str(reference), told, file=b"1")
        with pytest.raises(Unauthorized, match=r"^no basic auth credentials$"):
            await push(images, registries, reference, _NOBODY, told)
        await push(images, registries, reference, good, told)
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        await _make(images, str(reference), told, file=b"1")
        await push(images, registries, reference, good, told)
        await _everything_away(images)
        with pytest.raises(NotFound, match="repository does not exist or may require 'docker login': denied: "):
            await pull(images, registries, reference, None, _NOBODY, told)
        await pull(images, registries, reference, None, good, told)


async def test_two_pulls_of_one_image_at_a_time(
    tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told
) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        await _make(images, str(reference), told, file=os.urandom(5_000_000))
        await push(images, registries, reference, _NOBODY, told)

        def one() -> Any:
            return pull(others, registries, reference, None, _NOBODY, told)

        first, second = await asyncio.gather(one(), one())
        assert first.id == second.id
        assert len(others.snapshots.layers()) == 1


async def test_events(tmp_path: Path, images: Images, others: Images, registries: Registries, told: Told) -> None:
    async with distribution(tmp_path) as registry:
        reference: Reference = parse_reference(f"{registry.host}/team/app:1")
        await _make(images, str(reference), told, file=b"1")
        await push(images, registries, reference, _NOBODY, told)
        await pull(others, registries, reference, None, _NOBODY, told)
        for source, action in ((images, "push"), (others, "pull")):
            now = time.time_ns()
            seen = [event async for event in source.events.subscribe(0, now) if event.action == action]
            assert [(event.actor_id, event.attributes["name"]) for event in seen] == [
                (str(reference), reference.familiar_name)
            ]
