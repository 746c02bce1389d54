"""``manifest``'s documents, which must be Docker's to the letter, and the folder of local lists."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pier.cli.command import Failure
from pier.cli.manifests.documents import OCI_MANIFEST, list_of, platform_of, record, require_platforms
from pier.cli.manifests.platforms import is_known
from pier.cli.manifests.store import Store, file_name
from pier.errors import InvalidArgument

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = """{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
   "manifests": [
      {
         "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
         "size": 2,
         "digest": "sha256:0",
         "platform": {
            "architecture": "arm64",
            "os": "linux",
            "os.version": "1",
            "os.features": [
               "\\u003ca\\u003e"
            ],
            "variant": "v8"
         }
      }
   ]
}"""


def entry(reference: str = "r:1/app:1", kind: str = DOCKER_MANIFEST, **platform: Any) -> dict[str, Any]:
    descriptor = {"size": 2, "digest": "sha256:0", "mediaType": kind, "platform": platform}
    return record(reference, {"Descriptor": descriptor, "Raw": b64encode(b"{}").decode()})


def test_the_bytes_of_a_list() -> None:
    about: dict[str, Any] = {
        "variant": "v8",
        "os.features": ["<a>"],
        "os.version": "1",
        "os": "linux",
        "architecture": "arm64",
    }
    assert list_of([entry(**about)])[0] == LIST


def test_the_kind_of_a_list_is_that_of_its_first() -> None:
    oci, docker = entry(kind=OCI_MANIFEST), entry()
    assert list_of([oci, docker])[1].endswith("oci.image.index.v1+json")
    assert list_of([docker, oci])[1].endswith("manifest.list.v2+json")


def test_a_record_is_in_the_order_of_dockers() -> None:
    made = entry(os="linux")
    assert list(made) == ["Ref", "Descriptor", "Raw", "SchemaV2Manifest"]
    assert list(made["Descriptor"]) == ["mediaType", "digest", "size", "platform"]
    assert "OCIManifest" in entry(kind=OCI_MANIFEST)


def test_platforms_that_are_not_said() -> None:
    assert platform_of(entry()) == {"architecture": "", "os": ""}
    require_platforms([entry(os="linux", architecture="arm")])
    with pytest.raises(Failure, match="manifest r:1/app:1 must have an OS and Architecture to be pushed to a registry"):
        require_platforms([entry(os="linux")])


def test_known_platforms() -> None:
    assert is_known("linux", "riscv64") and is_known("windows", "amd64")
    assert not is_known("linux", "") and not is_known("", "amd64") and not is_known("linux", "64")


def test_the_store(tmp_path: Path) -> None:
    store = Store({"config": str(tmp_path)})
    assert store.list("r:1/app:2") is None
    for reference in ("r:1/b:1", "r:1/a:1", "r:1/b:1"):
        store.save("r:1/app:2", entry(reference, os="linux"))
    assert [each["Ref"] for each in store.list("r:1/app:2") or []] == ["r:1/a:1", "r:1/b:1"]
    assert store.get("r:1/app:2", "r:1/a:1") == entry("r:1/a:1", os="linux")
    assert store.get("r:1/app:2", "r:1/c:1") is None
    assert (tmp_path / "manifests" / "r-1_app-2" / "r-1_a-1").exists()
    store.remove("r:1/app:2")
    assert store.list("r:1/app:2") is None


def test_file_names() -> None:
    assert file_name("127.0.0.1:5000/a/b@sha256:0") == "127.0.0.1-5000_a_b@sha256-0"


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"Raw": ""})])
def test_a_file_that_is_no_record(text: str, tmp_path: Path) -> None:
    store = Store({"config": str(tmp_path)})
    (tmp_path / "manifests" / "l").mkdir(parents=True)
    (tmp_path / "manifests" / "l" / "m").write_text(text)
    with pytest.raises(InvalidArgument, match="manifests/l/m: "):
        store.list("l")
