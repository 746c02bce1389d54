"""The content store in a folder: the suite, and the OCI layout that other tools read."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pier.content.local import LocalContentStore
from pier.content.store import ContentStore
from pier.oci.digest import sha256
from pier.testing.content import ContentSuite


class TestLocal(ContentSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ContentStore:
        return LocalContentStore(tmp_path)

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], ContentStore]:
        return lambda: LocalContentStore(tmp_path)


def test_it_is_an_oci_layout(tmp_path: Path) -> None:
    digest = LocalContentStore(tmp_path).put(b"blob")
    assert json.loads((tmp_path / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((tmp_path / "index.json").read_text())["schemaVersion"] == 2
    assert (tmp_path / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes() == b"blob"


def test_old_ingests_are_dropped_and_open_ones_kept(tmp_path: Path) -> None:
    store = LocalContentStore(tmp_path)
    with store.open_ingest("left") as left:
        left.write(b"x")
    with store.open_ingest(sha256(b"y")) as busy:
        busy.write(b"y")
        store.drop_ingests(time.time_ns() + 10**9)
        assert [path.name for path in (tmp_path / "ingest").iterdir()] == [sha256(b"y").removeprefix("sha256:")]
        busy.commit(sha256(b"y"))
    assert store.exists(sha256(b"y"))


def test_removals_end_before_close_returns(tmp_path: Path) -> None:
    store = LocalContentStore(tmp_path)
    store.delete(store.put(b"x"))
    store.close()
    assert not list((tmp_path / ".trash").iterdir())
