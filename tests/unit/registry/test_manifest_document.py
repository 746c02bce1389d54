"""What a pushed manifest is taken for, and what is not taken."""

import json
from typing import Any

import pytest

from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.registry.manifests import document
from pier.registry.refusals import Code, Refusal

A, B, C = (sha256(text) for text in (b"a", b"b", b"c"))
CONFIG = {"mediaType": mediatypes.OCI_CONFIG, "digest": A, "size": 10}
LAYER = {"mediaType": mediatypes.OCI_LAYER_GZIP, "digest": B, "size": 100}
CHILD = {"mediaType": mediatypes.OCI_MANIFEST, "digest": C, "size": 7}
IMAGE = {"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": [CHILD]}


def read(content: Any, content_type: str = "") -> Any:
    return document.read(content if isinstance(content, bytes) else json.dumps(content).encode(), content_type)[0]


def test_an_image() -> None:
    data = json.dumps(IMAGE, indent=3).encode()
    found = read(data, mediatypes.OCI_MANIFEST)
    assert (found.digest, found.data, found.media_type) == (sha256(data), data, mediatypes.OCI_MANIFEST)
    assert [(each.digest, each.kind, each.size) for each in found.references] == [(A, "blob", 10), (B, "blob", 100)]
    assert (found.config, found.artifact_type, found.size) == (A, mediatypes.OCI_CONFIG, len(data) + 110)


def test_an_index() -> None:
    found = read(INDEX)
    assert [(each.digest, each.kind) for each in found.references] == [(C, "manifest")]
    assert (found.config, found.artifact_type, found.media_type) == (None, "", mediatypes.OCI_INDEX)


def test_an_index_of_layers() -> None:
    """BuildKit's cache in a registry."""
    config = {"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": A, "size": 10}
    found = read({**INDEX, "manifests": [LAYER, config, CHILD, {"digest": sha256(b"d"), "size": 1}]})
    assert [each.kind for each in found.references] == ["blob", "blob", "manifest", "manifest"]


def test_an_artifact() -> None:
    empty = {"mediaType": mediatypes.OCI_EMPTY, "digest": A, "size": 2}
    found = read(
        {
            "schemaVersion": 2,
            "artifactType": "application/x-sbom",
            "config": empty,
            "layers": None,
            "subject": CHILD,
            "annotations": {"made": "today"},
        },
        mediatypes.OCI_MANIFEST,
    )
    assert (found.artifact_type, found.subject, found.annotations) == ("application/x-sbom", C, {"made": "today"})


def test_a_blob_counts_once() -> None:
    found = read({**IMAGE, "layers": [LAYER, LAYER, LAYER]})
    assert len(found.references) == 2


def test_sizes_that_no_disk_has() -> None:
    found = read({**IMAGE, "layers": [{**LAYER, "size": (1 << 63) - 1}]})
    assert found.size == (1 << 63) - 1


def test_layers_of_other_addresses_need_not_be_here() -> None:
    foreign = {"mediaType": mediatypes.DOCKER_FOREIGN_LAYER, "digest": C, "size": 5, "urls": ["https://elsewhere/x"]}
    _, elsewhere = document.read(json.dumps({**IMAGE, "layers": [LAYER, foreign]}).encode(), "")
    assert elsewhere == {C}


@pytest.mark.parametrize("name", document.ARTIFACTS)
def test_artifact_manifests_of_drafts(name: str) -> None:
    found = read({"mediaType": name, "artifactType": "x/y", "blobs": [LAYER], "subject": CHILD})
    assert [each.digest for each in found.references] == [B]


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b"", "", "truncated"),
        (b"[]", "", "object"),
        (b"\xff", mediatypes.OCI_MANIFEST, "malformed"),
        (b"[" * 100_000, "", ""),
        ({"schemaVersion": 1, "fsLayers": []}, mediatypes.DOCKER_SCHEMA1[1], "schema 1"),
        ({"schemaVersion": 1}, "", "schema 1"),
        (IMAGE, mediatypes.DOCKER_MANIFEST, "Content-Type"),
        (IMAGE, mediatypes.OCI_INDEX, "Content-Type"),
        ({"schemaVersion": 2, "config": CONFIG}, "application/x-mine", "unknown manifest media type"),
        ({**IMAGE, "manifests": [CHILD]}, mediatypes.OCI_MANIFEST, "no place"),
        ({**INDEX, "layers": [LAYER]}, mediatypes.OCI_INDEX, "no place"),
        ({"schemaVersion": 2, "layers": [LAYER]}, mediatypes.OCI_MANIFEST, "config"),
        ({**IMAGE, "layers": [{**LAYER, "size": -1}]}, "", "cannot have -1 bytes"),
        ({**IMAGE, "layers": [{**LAYER, "size": 1 << 70}]}, "", ""),
        ({**IMAGE, "layers": [{**LAYER, "size": 1.5}]}, "", "int"),
        ({**IMAGE, "layers": [{**LAYER, "digest": "sha256:../../etc"}]}, "", "digest"),
        ({**IMAGE, "layers": [{**LAYER, "digest": "sha512:" + "0" * 128}]}, "", "algorithm"),
        ({**IMAGE, "layers": [{"size": 1}]}, "", "digest"),
        ({**IMAGE, "layers": [None]}, "", "object"),
        ({**IMAGE, "subject": {"digest": "nonsense", "size": 1}}, "", "digest"),
        ({**IMAGE, "annotations": {"a": 1}}, "", "str"),
        ({**IMAGE, "layers": [LAYER] * 10_001}, "", "more than"),
    ],
)
def test_what_is_refused(content: Any, content_type: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(content, content_type)
    assert caught.value.code is Code.MANIFEST_INVALID
    assert reason in str(caught.value.detail)
