"""``RUN --mount`` to the graph: what was left out is filled in (pure)."""

import posixpath
from typing import Final

from pier.build.dockerfile import ast
from pier.build.dockerfile.mounts import MountError, RawMount, parse_mount
from pier.build.dockerfile.stage import Stage
from pier.build.graph import Mount

_SECRETS: Final = "/run/secrets/"
_AGENT: Final = "/run/buildkit/ssh_agent."
_AGENT_ID: Final = "default"


class Mounts:
    """Collects the mounts of one RUN; ``inputs`` are its vertex's, ``env`` what the mounts add to its environment."""

    def __init__(self, stage: Stage, instruction: ast.Run, inputs: list[int]) -> None:
        self._stage = stage
        self._location = instruction.location
        self._agents = 0
        self.inputs = inputs
        self.env: dict[str, str] = {}
        self.made = tuple(self._mount(text) for text in instruction.mounts)

    def _mount(self, text: str) -> Mount:
        stage = self._stage
        try:
            raw = parse_mount(text, lambda value: stage.word(value, self._location))
        except MountError as error:
            raise stage.fault(str(error), self._location) from error
        return getattr(self, f"_{raw.type}")(raw)  # type: ignore[no-any-return]  # all five return a Mount

    def _bind(self, raw: RawMount) -> Mount:
        return Mount(
            "bind",
            self._target(raw),
            input=self._input(raw.from_ or "", raw),
            source=_below(raw.source),
            read_only=raw.read_only,
        )

    def _cache(self, raw: RawMount) -> Mount:
        target = self._target(raw)
        return Mount(
            "cache",
            target,
            input=self._input(raw.from_, raw) if raw.from_ and raw.from_ != "scratch" else None,
            source=_below(raw.source),
            read_only=raw.read_only,
            id=raw.id or target,
            sharing=raw.sharing or "shared",
            mode=-1 if raw.mode is None else raw.mode,
            uid=raw.uid or 0,
            gid=raw.gid or 0,
        )

    def _tmpfs(self, raw: RawMount) -> Mount:
        return Mount("tmpfs", self._target(raw), read_only=raw.read_only, size=raw.size)

    def _secret(self, raw: RawMount) -> Mount:
        id = raw.id or raw.source or posixpath.basename(raw.target)
        target = self._absolute(raw.target) if raw.target else ""
        if not target and not raw.env:
            target = _SECRETS + posixpath.basename(id)
        return self._private("secret", raw, target, id)

    def _ssh(self, raw: RawMount) -> Mount:
        target = self._absolute(raw.target) if raw.target else f"{_AGENT}{self._agents}"
        self._agents += 1
        self.env.setdefault("SSH_AUTH_SOCK", target)
        return self._private("ssh", raw, target, raw.id or _AGENT_ID)

    def _private(self, type: str, raw: RawMount, target: str, id: str) -> Mount:
        return Mount(
            type,
            target,
            id=id,
            required=raw.required,
            env=raw.env or "",
            mode=-1 if raw.mode is None else raw.mode,
            uid=raw.uid or 0,
            gid=raw.gid or 0,
        )

    def _target(self, raw: RawMount) -> str:
        target = self._absolute(raw.target) if raw.target else "/"
        if target == "/":
            raise self._stage.fault('invalid mount target "/"', self._location)
        return target

    def _absolute(self, path: str) -> str:
        return self._stage.absolute(path).rstrip("/") or "/"

    def _input(self, name: str, raw: RawMount) -> int:
        node = self._stage.origin(name, self._location) if name else self._stage.context(self._location)
        if node is None:
            raise self._stage.fault(f'cannot mount from "{name}": it is empty', self._location)
        if node not in self.inputs:
            self.inputs.append(node)
        return self.inputs.index(node)


def _below(source: str) -> str:
    return posixpath.normpath(posixpath.join("/", source)).replace("//", "/")
