"""The document of a cache that travels."""

import msgspec
import pytest

from pier.build.cache import CacheRecord
from pier.build.remotecache.format import MAX_BYTES, CachedContent, decode, describe, encode
from pier.errors import DataCorrupted
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor

A, B, C = sha256(b"a"), sha256(b"b"), sha256(b"c")


def record(key: str, *layers: bytes, kind: str = "regular") -> CacheRecord:
    diff_ids = tuple(sha256(layer) for layer in layers)
    return CacheRecord(key=key, kind=kind, diff_ids=diff_ids, description=f"RUN {key}", created=7)


RECORDS = [record("two", b"a", b"b"), record("one", b"a"), record("other", b"a", b"c")]
CONTENTS = [CachedContent("r", "z", A), CachedContent("r", "b", B)]


def test_records_come_back() -> None:
    cache = decode(encode(describe(RECORDS, CONTENTS, {B: Descriptor("t", C, 5)})))
    assert cache.records() == sorted(RECORDS, key=lambda each: each.key)
    assert {layer.diff_id: layer.blob.digest for layer in cache.layers if layer.blob} == {B: C}
    assert set(cache.contents) == set(CONTENTS)


def test_the_same_cache_is_the_same_document() -> None:
    assert encode(describe(RECORDS, CONTENTS, {})) == encode(describe(RECORDS[::-1], CONTENTS[::-1], {}))


def test_only_steps_that_made_layers_travel() -> None:
    assert describe([record("x", kind="exec.cachemount")], [], {}).steps == ()


def test_texts_are_printable() -> None:
    shown = CacheRecord(key="k", description="RUN \x1b[2Jls\n")
    assert decode(encode(describe([shown], [], {}))).steps[0].description == "RUN [2Jls"


def changed(**fields: object) -> bytes:
    document = msgspec.json.decode(encode(describe(RECORDS, CONTENTS, {})), type=dict[str, object])
    return msgspec.json.encode({**document, **fields})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b" " * (MAX_BYTES + 1),
        changed(version=2),
        changed(layers=[]),
        changed(layers=[{"diffId": "sha256:1"}]),
        changed(layers=[{"diffId": A, "blob": {"mediaType": "x", "digest": B, "size": -1}}] * 3),
        changed(steps=[{"key": "", "layers": []}]),
        changed(steps=[{"key": "k", "layers": [0], "own": 2}]),
        changed(steps=[{"key": "k", "layers": [-1]}]),
        changed(steps=[{"key": "k", "layers": [0], "own": -1}]),
        changed(steps=[{"key": "k", "layers": [0] * 501}]),
        changed(steps=[{"key": "k", "layers": [0], "created": -1}]),
        changed(steps=[{"key": "k" * 5000, "layers": [0]}]),
        changed(contents=[{"root": "r", "selector": "s", "digest": "md5:0"}]),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    with pytest.raises(DataCorrupted):
        decode(data)
