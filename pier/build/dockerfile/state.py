"""What a stage has come to after some of its instructions (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from pier.build.dockerfile.texts import classic_text
from pier.build.dockerfile.variables import DEFAULT_PATH
from pier.errors import InvalidArgument
from pier.oci.image import MAX_CONFIG_BYTES, ExecutionConfig, HistoryEntry, ImageConfig
from pier.oci.platform import Platform

COMMENT = "buildkit.dockerfile.v0"


@dataclass(slots=True)
class State:
    """``root``: the node of the file system, None for an empty one. ``variables``: what words may use and steps get,
    the stage's arguments among them; ``config.env`` has no arguments. ``arguments``: those declared in this stage, in
    order, as history shows them. ``cmd_set``: by this stage. ``base``: the name of the image it all began with.
    ``classic``: history is as the classic builder writes it.
    """

    platform: Platform
    root: int | None = None
    config: ExecutionConfig = field(default_factory=ExecutionConfig)
    author: str = ""
    base: str = ""
    history: list[HistoryEntry] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    arguments: list[tuple[str, str]] = field(default_factory=list)
    cmd_set: bool = False
    classic: bool = False
    _entries: dict[str, tuple[str, str]] = field(default_factory=dict)
    _noted: int = 0

    def environment(self, more: Mapping[str, str]) -> tuple[str, ...]:
        """``NAME=value`` of all variables, and ``more``. Steps share the texts: there may be many, and long ones."""
        return tuple(self._entry(name, value) for name, value in {**self.variables, **more}.items())

    def _entry(self, name: str, value: str) -> str:
        known = self._entries.get(name)
        if known is None or known[0] is not value:
            known = self._entries[name] = (value, f"{name}={value}")
        return known[1]

    def derived(self) -> "State":
        """What a stage FROM this one begins with."""
        return State(
            platform=self.platform,
            root=self.root,
            config=self.config,
            author=self.author,
            base=self.base,
            history=list(self.history),
            variables=dict(self.variables),
            _entries=dict(self._entries),
            _noted=self._noted,
        )

    def note(self, created_by: str, *, layer: bool = False, classic: str = "") -> None:
        """One step more in the history. Raises InvalidArgument where it does not fit into an image's config.

        ``classic``: what the classic builder writes where it is not ``created_by`` after ``classic_text``'s mark.
        """
        if self.classic:
            created_by = classic or classic_text(f" {created_by}")
        self._noted += len(created_by)
        if self._noted > MAX_CONFIG_BYTES:
            raise InvalidArgument(f"image config is larger than {MAX_CONFIG_BYTES} bytes")
        self.history.append(
            HistoryEntry(created_by=created_by, comment="" if self.classic else COMMENT, empty_layer=not layer)
        )


def empty_state(platform: Platform) -> State:
    """FROM scratch."""
    config = ExecutionConfig(env=[f"PATH={DEFAULT_PATH}"], working_dir="/")
    return State(platform, config=config, variables={"PATH": DEFAULT_PATH})


def image_state(config: ImageConfig, wanted: Platform, reference: str, root: int | None) -> State:
    """FROM an image; its triggers are not in the config any more."""
    own = Platform(config.architecture or wanted.architecture, config.os, config.os_version, config.variant)
    variables = env_variables(config.config.env or [])
    if "PATH" not in variables:
        variables = {"PATH": DEFAULT_PATH, **variables}
    execution = with_env(config.config, variables)
    return State(
        platform=own,
        root=root,
        config=execution,
        author=config.author,
        base=reference,
        history=list(config.history),
        variables=variables,
    )


def env_variables(entries: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def with_env(config: ExecutionConfig, variables: Mapping[str, str]) -> ExecutionConfig:
    return replaced(config, env=[f"{name}={value}" for name, value in variables.items()])


def replaced(config: ExecutionConfig, **changes: object) -> ExecutionConfig:
    """A config with some fields changed."""
    return msgspec.structs.replace(config, **changes)
