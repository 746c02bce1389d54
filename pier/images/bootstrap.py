"""``image bootstrap``: base images for places that no registry reaches, made on the host from what it has."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument
from pier.images import debootstrap, tinyimages
from pier.images.deps import Images, Progress, ignore_progress
from pier.images.image import Image
from pier.images.importing import ImportOptions, import_tar
from pier.images.tag import tag_id
from pier.oci.reference import parse_reference

_PATH: Final = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHOICES: Final = "debian[:SUITE], ubuntu[:SUITE], busybox or hello-world"


async def bootstrap(images: Images, name: str, progress: Progress) -> Image:
    """Make the image ``name`` (``debian``, ``debian:bookworm``, ``busybox``, ``hello-world``) and tag it.

    ``latest`` is what was made without naming a suite, or made first. Raises InvalidArgument for an unknown
    name, and what :mod:`pier.images.debootstrap` raises.
    """
    base, _, suite = name.partition(":")
    if base in debootstrap.ORIGINS:
        return await _distribution(images, base, "" if suite == "latest" else suite, progress)
    if suite not in ("", "latest"):
        raise InvalidArgument(f"cannot bootstrap {name}: {base} has no suites")
    if base == "hello-world":
        stream, changes = tinyimages.in_pieces(await tinyimages.hello_world_tar()), ('CMD ["/hello"]',)
    elif base == "busybox":
        stream, changes = tinyimages.in_pieces(await tinyimages.busybox_tar()), ('CMD ["sh"]',)
    else:
        raise InvalidArgument(f"cannot bootstrap {name}: it is {_CHOICES}")
    return await _import(images, stream, base, ("latest",), changes, progress)


async def _distribution(images: Images, base: str, suite: str, progress: Progress) -> Image:
    scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="bootstrap-", dir=images.tmp))
    try:
        decided = await debootstrap.plan(base, suite, scratch)
        where = ", ".join(dict.fromkeys(source.uri for source in decided.sources))
        progress({"status": f"Bootstrapping {base}:{decided.suite} from {where}"})
        unclaimed = images.store.resolve(parse_reference(f"{base}:latest")) is None
        tags = (decided.suite, "latest") if not suite or unclaimed else (decided.suite,)
        async with aclosing(debootstrap.Bootstrapping(decided, progress).tar()) as stream:
            return await _import(images, stream, base, tags, (_PATH, 'CMD ["bash"]'), progress)
    finally:
        await asyncio.to_thread(debootstrap.clear, scratch)


async def _import(
    images: Images,
    stream: AsyncIterator[bytes],
    base: str,
    tags: tuple[str, ...],
    changes: tuple[str, ...],
    progress: Progress,
) -> Image:
    first, *others = [parse_reference(f"{base}:{tag}") for tag in tags]
    options = ImportOptions(reference=first, changes=changes, message=f"Bootstrapped {first} on this host")
    image = await import_tar(images, stream, options, ignore_progress)
    for other in others:
        tag_id(images, image.id, other)
    progress({"status": f"Image ID: {image.id}"})
    progress({"status": f"Status: Bootstrapped {' and '.join(str(each) for each in (first, *others))}"})
    return image
