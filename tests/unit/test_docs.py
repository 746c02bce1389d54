"""The developers' pages name files that are there: who follows them shall not look for what has moved."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/dev").glob("*.md")))
NAMED = re.compile(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.(?:py|md|toml)|(?:pier|tests|docs|scripts)/[a-z_0-9/]+/?)`")
FILES = [
    path.relative_to(ROOT).as_posix() for folder in ("pier", "tests", "docs") for path in (ROOT / folder).rglob("*")
]
MODULE = re.compile(r":mod:`([a-z_.]+)`")


def is_there(name: str) -> bool:
    """As a path from the root, or the end of one: pages of a package leave out where it is."""
    return (ROOT / name).exists() or any(path.endswith(f"/{name.rstrip('/')}") for path in FILES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_are_there(page: Path) -> None:
    named = set(NAMED.findall(page.read_text()))
    assert sorted(name for name in named if not is_there(name)) == []


def test_modules_in_docstrings_are_there() -> None:
    """By their whole name, or as their neighbours call them."""
    lost = []
    for path in sorted((ROOT / "pier").rglob("*.py")):
        for name in MODULE.findall(path.read_text()):
            place = ROOT / name.replace(".", "/") if name.startswith("pier.") else path.parent / name.lstrip(".")
            if not place.is_dir() and not place.with_suffix(".py").exists():
                lost.append(f"{path.relative_to(ROOT)}: {name}")
    assert lost == []
