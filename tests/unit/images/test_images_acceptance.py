"""What is an image, by its manifest, and what only lies beside images."""

import json
from typing import Any

import pytest

from pier.errors import DataCorrupted, PierError, Unsupported
from pier.images.acceptance import is_image, read_manifest
from pier.oci import mediatypes
from pier.oci.manifest import Manifest

BLOB = {"mediaType": mediatypes.OCI_LAYER_GZIP, "digest": "sha256:" + "a" * 64, "size": 3}


def sent(kind: str, config: str, *layers: str, **fields: Any) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {**BLOB, "mediaType": config},
        "layers": [{**BLOB, "mediaType": layer} for layer in layers],
        **fields,
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("config", "layers", "image"),
    [
        (mediatypes.OCI_CONFIG, [mediatypes.OCI_LAYER_ZSTD], True),
        (mediatypes.DOCKER_CONFIG, [mediatypes.DOCKER_FOREIGN_LAYER], True),
        (mediatypes.OCI_CONFIG.upper(), ["application/octet-stream"], True),
        (mediatypes.OCI_CONFIG, [], True),
        ("", [""], True),
        ("application/vnd.oci.images", [], False),
        ("application/vnd.cncf.helm.config.v1+json", [mediatypes.OCI_LAYER_GZIP], False),
        (mediatypes.OCI_CONFIG, [mediatypes.OCI_LAYER, "application/vnd.in-toto+json"], False),
        (mediatypes.OCI_EMPTY, [mediatypes.OCI_EMPTY], False),
    ],
)
def test_what_is_an_image(config: str, layers: list[str], image: bool) -> None:
    document = read_manifest(sent(mediatypes.OCI_MANIFEST, config, *layers), mediatypes.OCI_MANIFEST)
    assert isinstance(document, Manifest)
    assert is_image(document) is image


@pytest.mark.parametrize("content_type", [mediatypes.OCI_MANIFEST + "; charset=utf-8", mediatypes.OCI_MANIFEST.upper()])
def test_parameters_and_case_of_the_header_do_not_count(content_type: str) -> None:
    read_manifest(sent(mediatypes.OCI_MANIFEST, mediatypes.OCI_CONFIG), content_type)


@pytest.mark.parametrize(
    ("data", "content_type", "kind", "text"),
    [
        (b"{}", "", DataCorrupted, "missing or empty Content-Type header"),
        (b"{}", "application/json", Unsupported, "unsupported manifest media type and no default available: "),
        (b"{}", mediatypes.DOCKER_SCHEMA1[0], Unsupported, "media type "),
        (
            sent(mediatypes.OCI_MANIFEST, "", manifests=[]),
            mediatypes.OCI_MANIFEST,
            DataCorrupted,
            "invalid manifest: expected manifest but found index",
        ),
        (
            sent(mediatypes.OCI_INDEX, "", manifests=[]),
            mediatypes.OCI_INDEX,
            DataCorrupted,
            "invalid manifest: expected index but found manifest",
        ),
        (
            sent(mediatypes.DOCKER_INDEX, "", manifests=[]),
            mediatypes.OCI_INDEX,
            DataCorrupted,
            f"if present, mediaType in index should be '{mediatypes.OCI_INDEX}' not '{mediatypes.DOCKER_INDEX}'",
        ),
    ],
)
def test_what_is_refused(data: bytes, content_type: str, kind: type[PierError], text: str) -> None:
    with pytest.raises(kind) as raised:
        read_manifest(data, content_type)
    assert str(raised.value).startswith(text)
