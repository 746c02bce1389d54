"""Which tags the rules of a project let go."""

import pytest

from pier.oci.digest import sha256
from pier.registry.housekeeping.rules import DAY, expired, of_repository, untagged_before
from pier.registry.model import Project, Rule, Tag

NOW = 1000 * DAY


def tag(name: str, age: float) -> Tag:
    pushed = int(NOW - age * DAY)
    return Tag("p/a", name, sha256(name.encode()), pushed, pushed)


TAGS = [tag("1.0", 30), tag("1.1", 20), tag("1.2", 10), tag("nightly-1", 3), tag("nightly-2", 2), tag("latest", 10)]


@pytest.mark.parametrize(
    "rules, immutable, gone",
    [
        ((), (), ""),
        ((Rule(),), (), ""),
        ((Rule(keep=2),), (), "1.0 1.1 1.2 latest"),
        ((Rule(keep=6),), (), ""),
        ((Rule(keep=1, pattern="1.*"),), (), "1.0 1.1"),
        ((Rule(days=10),), (), "1.0 1.1"),
        ((Rule(keep=5, days=2),), (), "1.0"),
        ((Rule(keep=1, days=15, pattern="1.*"),), (), "1.0 1.1"),
        ((Rule(keep=1, pattern="nightly-*"), Rule(days=25)), (), "1.0 nightly-1"),
        ((Rule(keep=1), Rule(keep=1)), ("1.*", "latest"), "nightly-1"),
        ((Rule(days=1, untagged=True),), (), ""),
        ((Rule(days=1, pattern="[!1]*"),), (), "latest nightly-1 nightly-2"),
    ],
)
def test_rules(rules: tuple[Rule, ...], immutable: tuple[str, ...], gone: str) -> None:
    project = Project(name="p", retention=rules, immutable=immutable)
    assert [each.name for each in expired(project, TAGS, NOW)] == gone.split()


def test_what_has_no_tag() -> None:
    assert untagged_before(Project(name="p", retention=(Rule(days=3),)), NOW, 60) is None
    several = (Rule(days=7, untagged=True), Rule(days=3, untagged=True))
    assert untagged_before(Project(name="p", retention=several), NOW, 60) == NOW - 3 * DAY


def test_an_index_may_still_come() -> None:
    assert untagged_before(Project(name="p", retention=(Rule(untagged=True),)), NOW, 60) == NOW - 60


def test_rules_of_some_repositories() -> None:
    project = Project(name="p", immutable=("x",), retention=(Rule(keep=1), Rule(days=1, repositories="p/b*")))
    assert of_repository(project, "p/a") == Project(name="p", immutable=("x",), retention=(Rule(keep=1),))
    assert of_repository(project, "p/b/c").retention == project.retention
