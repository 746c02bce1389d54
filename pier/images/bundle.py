"""From one engine to another, without a registry: an archive of just the layers that the other one lacks."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Final

from isal import isal_zlib

from pier.images.compressing import compressed
from pier.images.deps import Images
from pier.images.saving import save
from pier.oci.digest import Digest

_LEVEL: Final = 1
_GZIP: Final = 31


def missing(images: Images, diff_ids: Iterable[Digest]) -> list[Digest]:
    """Those of ``diff_ids`` that no layer here has, under whatever parent."""
    return [diff_id for diff_id in dict.fromkeys(diff_ids) if images.snapshots.with_diff(diff_id) is None]


def bundle(images: Images, names: Sequence[str], without: Iterable[Digest]) -> AsyncGenerator[bytes, None]:
    """A gzipped archive (see :func:`pier.images.saving.save`) without those layers. Raises NotFound at once."""
    return _zipped(save(images, names, frozenset(without)))


async def _zipped(archive: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    gzip = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
    async with aclosing(archive), aclosing(compressed(archive, gzip)) as pieces:
        async for data in pieces:
            yield data
