"""The docker command with its plugins, buildx and compose: found where ``scripts/setup --test`` puts them."""

from collections.abc import Sequence
from pathlib import Path

from tests.compat.docker_cli import Docker

_PLACES = (
    Path(__file__).resolve().parents[2] / ".venv/lib/docker/cli-plugins",
    Path("/usr/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
)


def with_plugins(program: str, host: str, config: Path, label: str, names: Sequence[str]) -> Docker:
    """A client whose configuration folder has the plugins ``names`` (``docker-buildx``)."""
    folder = config / "cli-plugins"
    folder.mkdir(parents=True)
    for name in names:
        found = [place / name for place in _PLACES if (place / name).exists()]
        assert found, f"{name} is not installed: run scripts/setup --test"
        (folder / name).symlink_to(found[0])
    return Docker(program, host, config, label)
