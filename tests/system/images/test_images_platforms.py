"""``rmi --platform`` of images of several platforms."""

import pytest

from pier.errors import Conflict, InvalidArgument, NotFound
from pier.images import archive, lookup, remove, tag
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.platforms import keep_together, members, together
from pier.images.remove import InUse
from pier.images.removeplatforms import remove_platforms
from pier.oci.digest import Digest
from pier.oci.platform import host_platform, parse_platform
from pier.oci.reference import parse_reference
from pier.testing.images import Told, layers_left, pieces
from pier.testing.tars import Saved, entry, tar

NATIVE = host_platform().architecture
OTHERS = ("riscv64", "s390x")
NAME = parse_reference("app:1")


async def several(images: Images, *more: str) -> dict[str, Image]:
    """Images for this host, and for two other architectures, all under ``app:1``."""
    made = {}
    for architecture in (NATIVE, *OTHERS):
        saved = Saved([tar(entry("only", architecture.encode()))], (), config={"architecture": architecture})
        made[architecture] = (await archive.load(images, pieces(saved.legacy()), Told()))[0]
    for name in (NAME, *map(parse_reference, more)):
        tag.tag_id(images, made[NATIVE].id, name)
    keep_together(images, list(made.values()), made[NATIVE].id, [NAME])
    return made


def unused(image_id: Digest) -> list[tuple[str, bool]]:
    return []


async def rmi(images: Images, *architectures: str, force: bool = True, in_use: InUse = unused) -> list[dict[str, str]]:
    wanted = [parse_platform(f"linux/{architecture}") for architecture in architectures]
    return await remove_platforms(images, "app:1", wanted, force=force, prune_children=True, in_use=in_use)


def there(images: Images) -> set[str]:
    """What the name stands for."""
    return {each.config.architecture for _, each in together(images, lookup.find(images, "app:1"), NAME)}


async def test_it_takes_force(images: Images) -> None:
    await several(images)
    with pytest.raises(InvalidArgument, match=r"Content will be removed from all images .* Use --force"):
        await rmi(images, OTHERS[0], force=False)
    assert there(images) == {NATIVE, *OTHERS}


async def test_one_of_the_others(images: Images) -> None:
    made = await several(images)
    records = await rmi(images, OTHERS[0])
    assert {"Deleted": made[OTHERS[0]].id} in records
    assert there(images) == {NATIVE, OTHERS[1]}
    assert lookup.find(images, "app:1").id == made[NATIVE].id
    assert len(layers_left(images)) == 2


async def test_the_one_that_the_name_means(images: Images) -> None:
    """The name and the repo digest go over to another; names that meant the native one alone go."""
    made = await several(images, "app:2", "alone:1")
    digest = lookup.find(images, "app:1").repo_digests
    records = await rmi(images, NATIVE)
    heir = lookup.find(images, "app:1")
    assert heir.id == made[OTHERS[0]].id == lookup.find(images, "app:2").id
    assert set(digest) <= set(heir.repo_digests)
    assert {"Untagged": "alone:1"} in records
    assert {"Deleted": made[NATIVE].id} in records
    assert there(images) == set(OTHERS)
    with pytest.raises(NotFound):
        lookup.find(images, "alone:1")
    await remove.remove(images, "app:2", force=False, prune_children=True, in_use=unused)
    assert there(images) == set(OTHERS)
    await remove.remove(images, "app:1", force=False, prune_children=True, in_use=unused)
    assert (list(images.store.list()), layers_left(images), list(images.content.walk())) == ([], [], [])


async def test_all_of_them(images: Images) -> None:
    await several(images)
    assert sum("Deleted" in each for each in await rmi(images, *OTHERS, NATIVE)) == 6
    assert (list(images.store.list()), layers_left(images)) == ([], [])


async def test_what_runs_is_in_the_way(images: Images) -> None:
    """Of all that is asked for, nothing goes then."""
    made = await several(images)

    def running(image_id: Digest) -> list[tuple[str, bool]]:
        return [("c" * 64, True)] if image_id == made[NATIVE].id else []

    with pytest.raises(Conflict, match=r"cannot be forced.*running container cccccccccccc"):
        await rmi(images, OTHERS[0], NATIVE, in_use=running)
    assert there(images) == {NATIVE, *OTHERS}


async def test_platforms_that_are_not_there(images: Images) -> None:
    made = await several(images)
    with pytest.raises(NotFound, match="does not match the specified platform: wanted linux/ppc64le"):
        await rmi(images, OTHERS[0], "ppc64le")
    assert there(images) == {NATIVE, *OTHERS}
    await rmi(images, *OTHERS)
    assert not members(images, lookup.find(images, "app:1"))
    with pytest.raises(NotFound, match="does not match"):
        await rmi(images, OTHERS[0])
    with pytest.raises(InvalidArgument, match="multiple platforms are not supported"):
        await rmi(images, NATIVE, NATIVE)
    assert {"Deleted": made[NATIVE].id} in await rmi(images, NATIVE, force=False)
    assert (list(images.store.list()), layers_left(images), list(images.content.walk())) == ([], [], [])
