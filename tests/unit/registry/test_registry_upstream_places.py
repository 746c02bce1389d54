"""Which upstream a repository's name means, and how it is called there."""

import pytest

from pier.errors import InvalidArgument
from pier.registry.remotes import Remotes
from pier.registry.settings import Upstream
from pier.registry.upstream.places import Places

HUB = Upstream(name="hub", url="https://registry-1.docker.io", default=True)
LAB = Upstream(name="lab", url="https://lab.example:5000/team", names=("open/*", "app"))
NEAR = Upstream(name="near", url="https://hub.near.example", names=("alpine", "a/*"), library=True)
SIX = Upstream(name="six", url="http://[::1]:5000")


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("hub/alpine", "library/alpine"),
        ("hub/library/alpine", "library/alpine"),
        ("hub/library", "library/library"),
        ("near/alpine", "library/alpine"),
        ("near/b/alpine", None),
        ("hub/a/b/c", "a/b/c"),
        ("hub", None),
        ("lab/app", "app"),
        ("lab/open/x/y", "open/x/y"),
        ("lab/closed/x", None),
        ("hubs/alpine", None),
        ("alpine", None),
    ],
)
def test_by_the_first_part_of_the_name(name: str, there: str | None) -> None:
    place = Places([HUB, LAB, SIX, NEAR]).of(name)
    assert (place.name if place else None) == there
    assert place is None or place.repository == f"{name.partition('/')[0]}/{there}"


@pytest.mark.parametrize(
    ("name", "host", "here"),
    [
        ("alpine", "", "hub/library/alpine"),
        ("alpine", "docker.io", "hub/library/alpine"),
        ("library/alpine", "docker.io", "hub/library/alpine"),
        ("app", "lab.example:5000", "lab/app"),
        ("closed/app", "lab.example:5000", None),
        ("app", "lab.example", None),
        ("app", "[::1]:5000", "six/app"),
        ("app", "quay.io", None),
    ],
)
def test_as_of_a_mirror(name: str, host: str, here: str | None) -> None:
    place = Places([HUB, LAB, SIX]).mirrored(name, host)
    assert (place.repository if place else None) == here


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("hub/alpine", ["hub/library/alpine"]),
        ("lab/app", ["lab/app"]),
        ("alpine", ["hub/library/alpine", "near/library/alpine", "six/alpine"]),
        ("b/alpine", ["hub/b/alpine", "six/b/alpine"]),
    ],
)
def test_what_a_token_may_be_for(name: str, here: list[str]) -> None:
    assert [each.repository for each in Places([HUB, LAB, NEAR, SIX]).meant(name)] == here


@pytest.mark.parametrize("others", [[HUB], [Upstream(name="other", url="https://x.example", default=True)]])
def test_upstreams_that_cannot_be_told_apart(others: list[Upstream]) -> None:
    with pytest.raises(InvalidArgument):
        Places([HUB, *others])


@pytest.mark.parametrize(
    ("remote", "name", "url"),
    [
        (HUB, "alpine", "https://registry-1.docker.io/v2/library/alpine/tags/list"),
        (HUB, "team/app", "https://registry-1.docker.io/v2/team/app/tags/list"),
        (
            Upstream(name="h", url="https://docker.io"),
            "alpine",
            "https://registry-1.docker.io/v2/library/alpine/tags/list",
        ),
        (LAB, "app", "https://lab.example:5000/v2/team/app/tags/list"),
        (SIX, "app", "http://[::1]:5000/v2/app/tags/list"),
    ],
)
async def test_how_it_is_called_there(remote: Upstream, name: str, url: str) -> None:
    remotes = Remotes()
    assert str(remotes.repository(remote, name).url("tags/list")) == url
    await remotes.stop()
