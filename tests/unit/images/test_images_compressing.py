"""A layer is the same blob however its bytes come."""

import gzip
from collections.abc import AsyncIterator
from random import Random

import pytest
from isal import isal_zlib

from pier.images.compressing import compressed

DATA = b"".join(bytes([number % 251]) * (number % 97) for number in range(40_000))


async def cut(sizes: Random, largest: int) -> AsyncIterator[bytes]:
    position = 0
    while position < len(DATA):
        size = sizes.randrange(1, largest)
        yield DATA[position : position + size]
        position += size


async def made(seed: int, largest: int) -> bytes:
    gzip_of = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    return b"".join([data async for data in compressed(cut(Random(seed), largest), gzip_of)])


@pytest.mark.parametrize("largest", [5_000, 65_536, 3_000_000])
async def test_the_cut_of_what_comes_changes_nothing(largest: int) -> None:
    assert await made(1, largest) == await made(2, 70_000)
    assert gzip.decompress(await made(3, largest)) == DATA
