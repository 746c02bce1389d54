"""What the records say of what was pulled through, in both databases."""

from pier.oci.digest import sha256
from pier.registry.model import Cached, KeptRepository
from pier.registry.records import Records
from tests.system.registry.test_registry_records import connect, records, server

__all__ = ["connect", "records", "server"]


def cached(text: str) -> Cached:
    return Cached(digest=sha256(text.encode()), media_type="application/x", data=text.encode())


async def test_repositories_that_are_kept_of_one_upstream(records: Records) -> None:
    """An upstream's name is a whole part of the repositories', whatever signs stand in others."""
    for number, name in enumerate(("hub/b", "hub/a_x", "hub/a-x", "hub-2/a", "hubs/a", "hub/a/b")):
        await records.put_cached(name, cached("first"), "1", number)
        await records.put_cached(name, cached("the second"), "2", number + 10)
    listed = await records.kept_repositories("hub", "", 10)
    assert sorted(each.name for each in listed) == ["hub/a-x", "hub/a/b", "hub/a_x", "hub/b"]
    assert KeptRepository("hub/b", 15, 10, ["1", "2"]) in listed
    paged = []
    after = ""
    while some := await records.kept_repositories("hub", after, 1):
        paged += some
        after = some[-1].name
    assert paged == listed
    assert await records.kept_repositories("hu", "", 10) == []
