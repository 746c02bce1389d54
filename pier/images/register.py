"""Making an image of a config whose layers are there."""

import asyncio

from pier.images.deps import Images
from pier.images.image import Image
from pier.oci.digest import Digest
from pier.oci.image import chain_ids, parse_config
from pier.oci.manifest import Descriptor


async def register(
    images: Images, config: bytes, *, manifest: Descriptor | None = None, parent: Digest | None = None
) -> Image:
    """Store ``config`` and record the image that it describes; an image that is there is kept.

    Its layers must be in the snapshotter (NotFound), and pinned by the caller until this returns. Raises
    DataCorrupted for a config that is none.
    """
    parsed = parse_config(config)
    chain = chain_ids(parsed.rootfs.diff_ids)
    size = sum(images.snapshots.layer(chain_id).size for chain_id in chain)
    image_id = await asyncio.to_thread(images.content.put, config)
    known = images.store.get(image_id)
    if known is not None and (manifest is None or known.manifest is not None):
        return known
    tagged_ns = known.tagged_ns if known else 0
    images.store.put(Image(image_id, parsed, tuple(chain), size, parent, manifest, tagged_ns))
    recorded = images.store.get(image_id)
    assert recorded is not None
    return recorded
