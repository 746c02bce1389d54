"""What every content store does: tests that each implementation runs.

A subclass has a fixture ``store`` with an empty store, and one ``reopen`` that makes another over the same place,
as after a crash.
"""

import os
from collections.abc import Callable
from functools import partial

from pier.content.store import ONCE, ContentStore
from pier.errors import Conflict, DataCorrupted, InvalidArgument, NotFound, PierError
from pier.oci.digest import Digest, sha256

ABSENT = sha256(b"absent")


def _raises(kind: type[PierError], call: Callable[[], object]) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was not raised")


class ContentSuite:
    def test_a_committed_blob_can_be_read(self, store: ContentStore) -> None:
        with store.open_ingest("a") as ingest:
            ingest.write(b"hello ")
            ingest.write(b"world")
            assert ingest.offset == 11
            digest = ingest.commit(sha256(b"hello world"))
        assert store.read(digest) == b"hello world"
        assert store.info(digest).size == 11
        assert [blob.digest for blob in store.walk()] == [digest]
        assert store.path(digest).read_bytes() == b"hello world"

    def test_put_is_idempotent(self, store: ContentStore) -> None:
        assert store.put(b"x") == store.put(b"x") == sha256(b"x")
        assert len(list(store.walk())) == 1

    def test_what_is_not_there(self, store: ContentStore) -> None:
        assert not store.exists(ABSENT)
        for call in (store.read, store.open, store.info):
            assert ABSENT in _raises(NotFound, partial(call, ABSENT))
        store.delete(ABSENT)

    def test_a_wrong_digest_is_refused_and_dropped(self, store: ContentStore) -> None:
        with store.open_ingest("a") as ingest:
            ingest.write(b"tampered")
            message = _raises(DataCorrupted, lambda: ingest.commit(ABSENT))
        assert ABSENT in message and sha256(b"tampered") in message
        with store.open_ingest("a", resume=True) as ingest:
            assert ingest.offset == 0
        assert not list(store.walk())

    def test_an_ingest_is_resumed_after_a_crash(self, store: ContentStore, reopen: Callable[[], ContentStore]) -> None:
        with store.open_ingest("a") as ingest:
            ingest.write(b"first ")
        again = reopen()
        with again.open_ingest("a", resume=True) as ingest:
            assert ingest.offset == 6
            ingest.write(b"second")
            assert ingest.commit() == sha256(b"first second")

    def test_without_resume_an_ingest_begins_anew(self, store: ContentStore) -> None:
        with store.open_ingest("a") as ingest:
            ingest.write(b"first")
        with store.open_ingest("a") as ingest:
            assert ingest.offset == 0
            assert ingest.commit() == sha256(b"")

    def test_what_is_meant_once_is_not_kept(self, store: ContentStore, reopen: Callable[[], ContentStore]) -> None:
        with store.open_ingest(ONCE + "a") as ingest:
            ingest.write(b"x")
        with reopen().open_ingest(ONCE + "a", resume=True) as ingest:
            assert ingest.offset == 0

    def test_a_key_has_one_writer(self, store: ContentStore) -> None:
        with store.open_ingest("a") as ingest:
            _raises(Conflict, lambda: store.open_ingest("a"))
            ingest.abort()
        store.open_ingest("a").abort()

    def test_a_helper_writes_through_the_descriptor(self, store: ContentStore) -> None:
        with store.open_ingest("a") as ingest:
            os.write(ingest.fileno(), b"from elsewhere")
            ingest.adopt(sha256(b"from elsewhere"), 14)
        assert store.read(sha256(b"from elsewhere")) == b"from elsewhere"

    def test_an_adopted_blob_of_another_length_is_refused(self, store: ContentStore) -> None:
        with store.open_ingest("a") as ingest:
            os.write(ingest.fileno(), b"short")
            _raises(DataCorrupted, lambda: ingest.adopt(ABSENT, 6))
        assert not store.exists(ABSENT)

    def test_damage_is_noticed(self, store: ContentStore) -> None:
        digest = store.put(b"good")
        store.path(digest).write_bytes(b"evil")
        assert digest in _raises(DataCorrupted, lambda: store.read(digest))

    def test_a_deleted_blob_is_gone(self, store: ContentStore) -> None:
        digest = store.put(b"x")
        with store.open(digest) as file:
            store.delete(digest)
            assert file.read() == b"x"
        assert not store.exists(digest)
        assert not list(store.walk())

    def test_keys_are_no_paths(self, store: ContentStore) -> None:
        for key in ("../x", "a/b", "", ".hidden", "a\0b"):
            _raises(InvalidArgument, partial(store.open_ingest, key))

    def test_two_ingests_of_the_same_content(self, store: ContentStore) -> None:
        with store.open_ingest("a") as one, store.open_ingest("b") as two:
            one.write(b"same")
            two.write(b"same")
            assert one.commit() == two.commit() == Digest(sha256(b"same"))
        assert len(list(store.walk())) == 1
