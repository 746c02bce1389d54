"""Which names and tags a replication is about, and when it is due."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import msgspec
import pytest

from pier.oci.digest import sha256
from pier.registry.happenings import Happening
from pier.registry.replication.rules import about, author, companion_of, due, follows, matches, named
from pier.registry.settings import Replication

DIGEST = sha256(b"x")
SIGNATURE = f"sha256-{DIGEST[7:]}.sig"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def rule(**more: object) -> Replication:
    """As the settings' file has it."""
    table = {"name": "mirror", "direction": "push", "remote": {"url": "https://there"}, **more}
    return msgspec.convert(table, Replication)


@pytest.mark.parametrize(
    ("patterns", "text", "is_one"),
    [
        (("*",), "team/app", True),
        (("team/*",), "team/a/b", True),
        (("team/*",), "teams/app", False),
        (("*", "!*-dev"), "1-dev", False),
        (("*", "!*-dev"), "1", True),
        (("!*-dev",), "1", True),
        (("!*-dev",), "1-dev", False),
        ((), "1", True),
        (("v[0-9]",), "v1", True),
        (("V1",), "v1", False),
    ],
)
def test_globs(patterns: tuple[str, ...], text: str, is_one: bool) -> None:
    assert matches(patterns, text) is is_one


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("library/busybox", "alpine"), ["library/busybox", "alpine"]),
        (("team/*",), None),
        (("a", "b?"), None),
        (("!a",), None),
        (("a", "!b*"), ["a"]),
    ],
)
def test_names_that_are_spelled_out(patterns: tuple[str, ...], names: list[str] | None) -> None:
    assert named(patterns) == names


def test_tags_that_belong_to_manifests() -> None:
    assert companion_of(SIGNATURE) == DIGEST
    assert companion_of(SIGNATURE.removesuffix(".sig")) is companion_of("v1") is companion_of("sha256-abc.sig") is None
    assert about(rule(tags=("v*",)), SIGNATURE) and not about(rule(tags=("v*",), referrers=False), SIGNATURE)


@pytest.mark.parametrize(
    ("of_rule", "of_happening", "wanted"),
    [
        ({}, {}, True),
        ({"on_push": False}, {}, False),
        ({"direction": "pull"}, {}, False),
        ({"names": ("other/*",)}, {}, False),
        ({}, {"kind": "delete"}, False),
        ({"deletions": True}, {"kind": "delete"}, True),
        ({}, {"by": "mirror"}, True),
        ({}, {"by": "replication:from-there"}, False),
        ({}, {"by": "replication:from-elsewhere"}, True),
    ],
)
def test_what_follows_from_a_push(of_rule: dict[str, object], of_happening: dict[str, object], wanted: bool) -> None:
    mine = rule(**of_rule)
    pulls = [
        rule(name="from-there", direction="pull"),
        rule(name="from-elsewhere", direction="pull", remote={"url": "https://elsewhere"}),
    ]
    assert author(pulls[0]) == "replication:from-there"
    happened = {"kind": "push", "repository": "team/app", "digest": DIGEST, "tags": ("1",), **of_happening}
    assert follows(mine, msgspec.convert(happened, Happening), [mine, *pulls]) is wanted


@pytest.mark.parametrize(
    ("of_rule", "last", "is_due"),
    [
        ({}, None, False),
        ({}, timedelta(days=9), False),
        ({"every": 60}, None, True),
        ({"every": 60}, timedelta(seconds=59), False),
        ({"every": 60}, timedelta(seconds=60), True),
        ({"at": "11:59"}, None, False),
        ({"at": "11:59"}, timedelta(seconds=59), False),
        ({"at": "11:59"}, timedelta(seconds=61), True),
        ({"at": "12:00"}, timedelta(seconds=1), True),
        ({"at": "12:01"}, timedelta(hours=23), False),
        ({"at": "12:01"}, timedelta(hours=24), True),
        ({"at": "03:00", "every": 60}, timedelta(seconds=60), True),
    ],
)
def test_when_it_is_due(of_rule: dict[str, object], last: timedelta | None, is_due: bool) -> None:
    assert due(rule(**of_rule), NOON - last if last is not None else None, NOON) is is_due


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("01:30", datetime(2026, 10, 25, tzinfo=UTC)),
        ("02:30", datetime(2026, 10, 25, tzinfo=UTC)),
        ("03:00", datetime(2026, 10, 25, tzinfo=UTC)),
        ("01:30", datetime(2026, 3, 29, tzinfo=UTC)),
        ("02:30", datetime(2026, 3, 29, tzinfo=UTC)),
        ("03:00", datetime(2026, 3, 29, tzinfo=UTC)),
        ("00:00", datetime(2026, 11, 21, tzinfo=UTC)),
        ("23:59", datetime(2026, 11, 21, tzinfo=UTC)),
    ],
)
def test_once_a_day_also_when_the_clocks_change(at: str, day: datetime) -> None:
    """In Berlin 02:30 comes twice on 25 October, and not at all on 29 March. The registry looks every few seconds."""

    def local(moment: datetime) -> datetime:
        """As ``astimezone()`` gives it: with the offset of then."""
        offset = moment.astimezone(ZoneInfo("Europe/Berlin")).utcoffset()
        assert offset is not None
        return moment.astimezone(timezone(offset))

    last, due_at = day - timedelta(hours=6), []
    for minute in range(-180, 21 * 60):
        now = day + timedelta(minutes=minute, seconds=3)
        if due(rule(at=at), local(last), local(now)):
            last = now
            due_at.append(now)
    assert len(due_at) == 1, due_at
