"""Manifests, configs and platforms, decoded with limits."""

import json
from typing import Any

import pytest

from pier.errors import DataCorrupted, InvalidArgument, Unsupported
from pier.oci import mediatypes
from pier.oci.digest import Digest, parse_digest, sha256, short
from pier.oci.image import chain_ids, encode_config, parse_config
from pier.oci.manifest import MAX_MANIFEST_BYTES, Index, Manifest, parse_manifest
from pier.oci.platform import Platform, parse_platform, runnable

A, B = sha256(b"a"), sha256(b"b")
BLOB = {"mediaType": mediatypes.OCI_LAYER_GZIP, "digest": A, "size": 3}
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "config": {**BLOB, "mediaType": mediatypes.OCI_CONFIG},
    "layers": [BLOB],
}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_a_manifest() -> None:
    manifest = parse_manifest(encoded({**MANIFEST, "mediaType": mediatypes.DOCKER_MANIFEST, "unknown": [1]}))
    assert isinstance(manifest, Manifest)
    assert (manifest.media_type, manifest.layers[0].digest) == (mediatypes.DOCKER_MANIFEST, A)


def test_the_senders_media_type_counts_where_the_document_has_none() -> None:
    found = parse_manifest(encoded(MANIFEST), mediatypes.DOCKER_MANIFEST + "; charset=utf-8")
    assert found.media_type == mediatypes.DOCKER_MANIFEST
    assert parse_manifest(encoded(MANIFEST), "text/plain").media_type == mediatypes.OCI_MANIFEST


def test_an_index_with_nulls() -> None:
    entry = {**BLOB, "urls": None, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    index = parse_manifest(encoded({"schemaVersion": 2, "manifests": [entry], "annotations": None}))
    assert isinstance(index, Index)
    assert index.manifests[0].platform == Platform("arm64", "linux", "", "v8")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"schemaVersion":2}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        encoded({**MANIFEST, "layers": [{**BLOB, "size": -1}]}),
        encoded({**MANIFEST, "layers": [{**BLOB, "size": 1 << 70}]}),
        encoded({**MANIFEST, "layers": [{**BLOB, "size": "3"}]}),
        encoded({**MANIFEST, "layers": [{**BLOB, "digest": "sha256:../../etc/passwd"}]}),
        encoded({**MANIFEST, "layers": [{**BLOB, "digest": "md5:" + "a" * 32}]}),
        encoded({**MANIFEST, "layers": [None]}),
        encoded({**MANIFEST, "layers": 7}),
        encoded({**MANIFEST, "layers": [BLOB] * 10_001}),
        encoded({**MANIFEST, "mediaType": "text/html"}),
        b" " * (MAX_MANIFEST_BYTES + 1),
    ],
)
def test_nonsense_is_no_manifest(data: bytes) -> None:
    with pytest.raises(DataCorrupted):
        parse_manifest(data)


@pytest.mark.parametrize("document", [{"schemaVersion": 1}, {"schemaVersion": 2, "fsLayers": []}])
def test_schema_1_is_named(document: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="no longer supported"):
        parse_manifest(encoded(document))


def test_a_config_as_docker_writes_it() -> None:
    text = (
        b'{"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","container_config":{"Cmd":null},'
        b'"config":{"Cmd":["sh"],"Env":null,"ExposedPorts":{"80/tcp":{}},"Labels":{"a":"b"},"Healthcheck":'
        b'{"Test":["CMD","x"],"Interval":5}},"rootfs":{"type":"layers","diff_ids":["%b"]},'
        b'"history":[{"created_by":"x","empty_layer":true}],"moby.buildkit.buildinfo.v1":"zzz"}' % A.encode()
    )
    config = parse_config(text)
    assert config.config.cmd == ["sh"]
    assert config.config.env is None
    assert config.config.exposed_ports == {"80/tcp": {}}
    assert config.config.healthcheck is not None and config.config.healthcheck.interval == 5
    assert config.rootfs.diff_ids == [A]
    assert config.history[0].empty_layer
    assert parse_config(encode_config(config)) == config


def test_a_config_with_little_in_it() -> None:
    config = parse_config(b'{"config":{"Cmd":"echo hi","Entrypoint":"sh"},"rootfs":{"diff_ids":null}}')
    assert (config.config.cmd, config.config.entrypoint) == (["echo hi"], ["sh"])
    assert json.loads(encode_config(config))["rootfs"] == {"type": "layers", "diff_ids": []}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"7",
        b"{" * 9,
        b'{"rootfs":{"diff_ids":["x"]}}',
        b'{"config":[]}',
        b'{"config":{"Env":[1]}}',
        b'{"a":' * 100_000,
        encoded({"rootfs": {"diff_ids": [A] * 501}}),
    ],
)
def test_nonsense_is_no_config(data: bytes) -> None:
    with pytest.raises(DataCorrupted):
        parse_config(data)


def test_chain_ids_follow_the_specification() -> None:
    assert chain_ids([]) == []
    assert chain_ids([A]) == [A]
    assert chain_ids([A, B, A]) == [
        A,
        sha256(f"{A} {B}".encode()),
        sha256(f"{sha256(f'{A} {B}'.encode())} {A}".encode()),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sha256:abc", "invalid checksum digest length"),
        ("sha512:" + "a" * 128, "unsupported digest algorithm"),
        ("a" * 64, "invalid checksum digest format"),
        ("sha256:" + "A" * 64, "invalid checksum digest length"),
        (A + "\n", "invalid checksum digest format"),
    ],
)
def test_bad_digests(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_digest(text)


def test_digests() -> None:
    assert parse_digest(A) == A
    assert short(Digest(A)) == A[7:19]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("Linux/ARM/v7", "linux/arm/v7"),
        ("linux/arm/8", "linux/arm/v8"),
        ("linux/amd64/v1", "linux/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("i386", "linux/386"),
        ("windows(10.0.17763)/amd64", "windows/amd64"),
    ],
)
def test_platforms(text: str, expected: str) -> None:
    assert str(parse_platform(text)) == expected


@pytest.mark.parametrize("text", ["", "a/b/c/d", "linux//x", "linux/am d64", "../x", "foo", "linux/*"])
def test_bad_platforms(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"invalid argument$"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", '"foo": unknown operating system or architecture: invalid argument'),
        ("a/b/c/d", '"a/b/c/d": cannot parse platform specifier: invalid argument'),
        ("linux/*", '"linux/*": wildcards not yet supported: invalid argument'),
        ("linux/", '"" is an invalid component of "linux/": platform specifier component must match'),
        ("a b/c", '"a b" is an invalid OS component of "a b/c": OSAndVersion specifier component must match'),
    ],
)
def test_what_is_wrong_with_a_platform(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_platform(text)
    assert str(caught.value).startswith(message)


def test_matching_platforms() -> None:
    arm = Platform("arm64", "linux")
    assert arm.matches(Platform("arm64", "linux", "", "v8"))
    assert Platform("arm", "linux", "", "v7").matches(Platform("arm", "linux"))
    assert not Platform("arm", "linux", "", "v6").matches(Platform("arm", "linux", "", "v7"))
    assert not arm.matches(Platform("amd64", "linux"))


@pytest.mark.parametrize(
    ("host", "runs"),
    [
        ("linux/amd64", "linux/amd64 linux/386"),
        ("linux/amd64/v3", "linux/amd64/v3 linux/amd64/v2 linux/amd64/v1 linux/386"),
        ("linux/arm", "linux/arm"),
        ("linux/arm/v7", "linux/arm/v7 linux/arm/v6 linux/arm/v5"),
        ("linux/arm64", "linux/arm64 linux/arm"),
        ("linux/386", "linux/386"),
        ("linux/riscv64", "linux/riscv64"),
    ],
)
def test_what_a_platform_runs(host: str, runs: str) -> None:
    assert [str(platform) for platform in runnable(parse_platform(host))] == runs.split()


@pytest.mark.parametrize(
    ("asked", "offered", "accepted"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64/v2", "linux/amd64", True),
        ("linux/amd64", "linux/386", True),
        ("linux/386", "linux/amd64", False),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm64", "linux/arm/v7", True),
        ("linux/arm64", "linux/amd64", False),
    ],
)
def test_what_will_do_for_a_platform(asked: str, offered: str, accepted: bool) -> None:
    assert parse_platform(asked).accepts(parse_platform(offered)) == accepted


@pytest.mark.parametrize(
    ("media_type", "compression"),
    [
        (mediatypes.OCI_LAYER, "none"),
        (mediatypes.OCI_LAYER_GZIP, "gzip"),
        (mediatypes.OCI_LAYER_ZSTD, "zstd"),
        (mediatypes.DOCKER_LAYER_GZIP, "gzip"),
    ],
)
def test_compression_by_type(media_type: str, compression: str) -> None:
    assert mediatypes.compression_of(media_type) == compression
    assert mediatypes.is_layer(media_type)
