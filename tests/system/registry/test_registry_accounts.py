"""People are changed by several at once, in both databases: no change is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pier.errors import Conflict
from pier.metadata.registry.opening import open_records
from pier.metadata.registry.records import SqlRecords
from pier.registry.access import accounts
from pier.registry.model import Project
from pier.testing.postgres import Server, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlRecords]:
    if request.param == "sqlite":
        opened = await open_records(f"sqlite://{tmp_path}/registry.db")
    else:
        opened = await open_records(request.getfixturevalue("server").url)
    yield opened
    await opened.stop()


async def test_changes_at_once(records: SqlRecords) -> None:
    await accounts.add_user(records, "ann", "", now=1)
    names = [f"team{number}" for number in range(12)]
    grants = [accounts.change_user(records, "ann", roles={name: "reader"}) for name in names]
    await asyncio.gather(*grants, accounts.change_user(records, "ann", disabled=True))
    ann = await records.user("ann")
    assert ann is not None
    assert (sorted(ann.projects), ann.disabled) == (sorted(names), True)


async def test_only_one_is_the_first(records: SqlRecords) -> None:
    made = await asyncio.gather(
        *(accounts.add_user(records, "bob", "", roles={f"t{number}": "reader"}, now=1) for number in range(8)),
        return_exceptions=True,
    )
    assert [type(each) for each in made].count(Conflict) == 7


async def test_rules_that_somebody_else_has_changed(records: SqlRecords) -> None:
    first = await accounts.put_project(records, None, Project(name="team"), 1)
    await accounts.put_project(records, first, Project(name="team", public=True), 2)
    with pytest.raises(Conflict):
        await accounts.put_project(records, first, Project(name="team", quota=5), 3)
    found = await records.project("team")
    assert found == Project(name="team", public=True, created=1)
