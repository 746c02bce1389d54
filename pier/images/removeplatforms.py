"""``rmi --platform``: some of the images of several platforms that stand under one name."""

from collections.abc import Sequence

import msgspec

from pier.errors import InvalidArgument
from pier.images.choose import acceptable
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.lookup import find
from pier.images.platforms import members, of_platform
from pier.images.remove import InUse, Record, remove, require_unused
from pier.oci.platform import Platform
from pier.oci.reference import Reference


async def remove_platforms(
    images: Images, name: str, platforms: Sequence[Platform], *, force: bool, prune_children: bool, in_use: InUse
) -> list[Record]:
    """Remove what stands for ``platforms`` under ``name``, with all its other names; the rest stays under ``name``.

    An image alone is removed as without platforms, if it is for the one that is asked for. Raises as
    :func:`pier.images.remove.remove`; NotFound for a platform that is not there, InvalidArgument without ``force``:
    other names may mean the same image.
    """
    image = find(images, name)
    chosen = {each.id: each for each in (of_platform(images, image, name, platform) for platform in platforms)}
    beside = members(images, image)
    if not beside:
        if len(platforms) > 1:
            raise InvalidArgument("multiple platforms are not supported")
        return await remove(images, name, force=force, prune_children=prune_children, in_use=in_use)
    if not force:
        raise InvalidArgument(
            "Content will be removed from all images referencing this variant. Use --force to force delete."
        )
    for each in chosen.values():
        require_unused(images, each, in_use)
    left = [each for each in beside if each.id not in chosen]
    if image.id in chosen and left:
        _hand_over(images, image, _best(left))
    records: list[Record] = []
    for each in chosen.values():
        if images.store.get(each.id) is not None:
            records += await remove(images, each.id, force=True, prune_children=prune_children, in_use=in_use)
    return records


def _best(left: Sequence[Image]) -> Image:
    """What the name means from now on: what this host runs best, or the first."""
    for wanted in acceptable(None):
        for each in left:
            if wanted.matches(Platform(each.config.architecture, each.config.os, variant=each.config.variant)):
                return each
    return left[0]


def _hand_over(images: Images, image: Image, heir: Image) -> None:
    """Give ``heir`` the index and the names that stand for all of them; names of ``image`` alone stay with it.

    The index is recorded with both in between: after a crash it is there with whichever has the names.
    """
    assert image.manifest is not None
    references = images.store.references(image.id)
    all_of_them = [each for each in references if each.digest == image.manifest.digest]
    images.store.put(msgspec.structs.replace(heir, manifest=image.manifest))
    for each in _tags_of(references, all_of_them) + all_of_them:
        images.store.tag(each, heir.id)
    images.store.put(msgspec.structs.replace(image, manifest=None))


def _tags_of(references: Sequence[Reference], digests: Sequence[Reference]) -> list[Reference]:
    repositories = {each.name for each in digests}
    return [each for each in references if each.tag and each.name in repositories]
