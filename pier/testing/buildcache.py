"""A build cache's records in memory, and what every store of them does: tests that each implementation runs.

A subclass of the suite has a fixture ``store`` with an empty store.
"""

from collections.abc import Iterable, Sequence

import msgspec

from pier.build.cache import CacheRecord, CacheStore
from pier.oci.digest import Digest, sha256

A, B = sha256(b"a"), sha256(b"b")


class MemoryCacheStore:
    """Implements :class:`pier.build.cache.CacheStore`."""

    def __init__(self) -> None:
        self._records: dict[str, CacheRecord] = {}
        self._contents: dict[tuple[str, str], tuple[Digest, int]] = {}

    def get(self, key: str) -> CacheRecord | None:
        return self._records.get(key)

    def put(self, record: CacheRecord) -> None:
        self._records[record.key] = record

    def touch(self, keys: Iterable[str], now: int) -> None:
        for key in keys:
            record = self._records.get(key)
            if record is not None:
                self._records[key] = msgspec.structs.replace(record, used=now, uses=record.uses + 1)

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._records.pop(key, None)

    def list(self) -> Sequence[CacheRecord]:
        return [*self._records.values()]

    def content(self, root: str, selector: str) -> Digest | None:
        found = self._contents.get((root, selector))
        return None if found is None else found[0]

    def contents(self, root: str) -> Sequence[tuple[str, Digest]]:
        found = [(selector, digest) for (tree, selector), (digest, _) in self._contents.items() if tree == root]
        return sorted(found)

    def remember(self, root: str, selector: str, digest: Digest, now: int) -> None:
        self._contents[root, selector] = (digest, now)

    def forget(self, before: int) -> None:
        self._contents = {name: value for name, value in self._contents.items() if value[1] >= before}


class CacheStoreSuite:
    def test_a_record_is_found_as_it_was_put(self, store: CacheStore) -> None:
        record = CacheRecord(
            key="k",
            description="[2/3] RUN x",
            diff_ids=(A, B),
            own=2,
            size=7,
            created=1,
            used=2,
            uses=3,
            parents=("p",),
        )
        store.put(record)
        assert store.get("k") == record
        assert store.list() == [record]
        assert store.get("other") is None

    def test_a_folder_is_a_record_too(self, store: CacheStore) -> None:
        record = CacheRecord(key="m", kind="exec.cachemount", path="mounts/npm")
        store.put(record)
        assert store.get("m") == record

    def test_the_newest_replaces(self, store: CacheStore) -> None:
        store.put(CacheRecord(key="k", diff_ids=(A,)))
        store.put(CacheRecord(key="k", diff_ids=(B,)))
        assert [record.diff_ids for record in store.list()] == [(B,)]

    def test_uses_are_counted(self, store: CacheStore) -> None:
        for key in "abc":
            store.put(CacheRecord(key=key, used=1))
        store.touch(["a", "absent"], 5)
        store.touch(iter(["a", "b"]), 9)
        store.touch([], 99)
        found = {record.key: (record.used, record.uses) for record in store.list()}
        assert found == {"a": (9, 2), "b": (9, 1), "c": (1, 0)}

    def test_removing(self, store: CacheStore) -> None:
        for key in "abc":
            store.put(CacheRecord(key=key))
        store.remove(["a", "absent"])
        store.remove(iter("b"))
        assert [record.key for record in store.list()] == ["c"]

    def test_contents_are_remembered(self, store: CacheStore) -> None:
        assert store.content(A, "/x") is None
        store.remember(A, "/y", B, 1)
        store.remember(A, "/x", A, 1)
        store.remember(B, "/x", B, 1)
        store.remember(A, "/x", B, 2)
        assert (store.content(A, "/x"), store.content(B, "/y")) == (B, None)
        assert store.contents(A) == [("/x", B), ("/y", B)]
        assert store.contents("absent") == []

    def test_old_contents_are_forgotten(self, store: CacheStore) -> None:
        store.remember(A, "/x", A, 1)
        store.remember(A, "/y", A, 2)
        store.forget(2)
        assert store.contents(A) == [("/y", A)]
