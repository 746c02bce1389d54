"""The same calls to our registry and to Debian's Distribution: what is answered, and where it may differ."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.testing.registry import distribution
from pier.testing.registryserver import pier_registry
from tests.compat.registry_calls import STORIES
from tests.compat.registry_differences import DIFFERENCES
from tests.compat.registry_raw import Raw, raw

Pair = tuple[Raw, Raw]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Our registry and the other, both empty."""
    async with (
        pier_registry(tmp_path) as ours,
        distribution(tmp_path) as theirs,
        raw(ours.host) as first,
        raw(theirs.host) as second,
    ):
        yield first, second


@pytest.mark.parametrize("story", STORIES)
async def test_both_answer_alike(story: str, pair: Pair) -> None:
    for http in pair:
        await STORIES[story](http, f"t/{story.replace('_', '-')}")
    ours, theirs = (http.seen for http in pair)
    assert len(ours) == len(theirs)
    expected = [each for each in DIFFERENCES if each.story == story]
    differing = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if not _alike(mine, other)]
    surprises = [pair for pair in differing if not any(each.covers(story, pair[0]) for each in expected)]
    assert surprises == []
    assert [each.note for each in expected if not any(each.covers(story, mine) for mine, _ in differing)] == []


def _alike(ours: str, theirs: str) -> bool:
    """What Distribution's router says for itself is plain text; ours has the specification's form everywhere."""
    if "Content-Type=text/plain" not in theirs:
        return ours == theirs
    return _without_form(ours) == _without_form(theirs)


def _without_form(line: str) -> str:
    return re.sub(r"(: \d{3})((?: [A-Z_]+)*)(?= )", r"\1", re.sub(r" Content-(Type|Length)=\S+", "", line))
