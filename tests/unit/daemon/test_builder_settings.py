"""dockerd's ``builder`` and ``features`` keys of ``daemon.json``, and our own for the build cache."""

import json
from pathlib import Path
from typing import Any

import pytest

from pier.daemon.config import Config, load
from pier.errors import InvalidArgument


def loaded(tmp_path: Path, content: dict[str, Any], *flags: str) -> Config:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps(content))
    return load(["--config-file", str(path), *flags], {})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, 0),
        ({"build.cache.max": "20GB"}, 20 << 30),
        ({"builder": {"gc": {"defaultKeepStorage": "10GB"}}}, 10 << 30),
        ({"builder": {"gc": {"enabled": True, "defaultKeepStorage": "1.5g"}}}, 3 << 29),
        ({"builder": {"gc": {"enabled": True}}, "features": {"buildkit": True}}, 0),
        ({"builder": {"gc": {"defaultKeepStorage": "10GB"}}, "build.cache.max": "5GB"}, 5 << 30),
    ],
)
def test_ceiling_of_the_build_cache(tmp_path: Path, content: dict[str, Any], expected: int) -> None:
    assert loaded(tmp_path, content)["build.cache.max"] == expected


def test_flag(tmp_path: Path) -> None:
    assert loaded(tmp_path, {}, "--build-cache-max", "512m")["build.cache.max"] == 512 << 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"builder": {"gc": {"enabled": False}}}, "always collected"),
        ({"builder": True}, "a JSON object is expected"),
        ({"build.cache.max": "much"}, "invalid size: 'much'"),
        ({"build.parallelism": 0}, "invalid build parallelism: 0"),
    ],
)
def test_refused(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        loaded(tmp_path, content)
