"""Instructions that change the image's config and leave its files alone (pure)."""

import re
import signal
from collections.abc import Callable
from typing import Any, Final

from pier.build.dockerfile import ast
from pier.build.dockerfile.stage import Stage
from pier.build.dockerfile.state import env_variables, replaced, with_env
from pier.build.dockerfile.texts import classic_text, expose_text, health_of, health_text, plain_list, quoted_list

_PORT: Final = re.compile(r"(?:.*:)?([0-9]+)(?:-([0-9]+))?", re.ASCII)
_PROTOCOLS: Final = ("tcp", "udp", "sctp")
_SHELL: Final = ("/bin/sh", "-c")


def env(stage: Stage, instruction: ast.Env) -> None:
    """All values are expanded with what was known before the instruction."""
    state = stage.state
    pairs = stage.pairs(instruction.pairs, instruction.location)
    state.variables.update(pairs)
    own = env_variables(state.config.env or [])
    state.config = with_env(state.config, {**own, **dict(pairs)})
    state.note("ENV " + " ".join(f"{name}={value}" for name, value in pairs))


def arg(stage: Stage, instruction: ast.Arg) -> None:
    """The client's value, else the one given here, else that of the global ARG of the name."""
    shown = []
    fresh: dict[str, str] = {}
    for pair in instruction.pairs:
        name = stage.word(pair.name, instruction.location)
        default = None if pair.value is None else stage.word(pair.value, instruction.location)
        shown.append(name if default is None else f"{name}={default}")
        value = stage.argument(name, default)
        if value is not None:
            fresh[name] = value
        stage.state.arguments.append((name, value or ""))
    stage.state.variables.update(fresh)
    stage.state.note("ARG " + " ".join(shown))


def label(stage: Stage, instruction: ast.Label) -> None:
    state = stage.state
    pairs = stage.pairs(instruction.pairs, instruction.location)
    state.config = replaced(state.config, labels={**(state.config.labels or {}), **dict(pairs)})
    state.note("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))


def user(stage: Stage, instruction: ast.User) -> None:
    name = stage.word(instruction.user, instruction.location)
    stage.state.config = replaced(stage.state.config, user=name)
    stage.state.note(f"USER {name}")


def volume(stage: Stage, instruction: ast.Volume) -> None:
    state = stage.state
    paths = [stage.word(path, instruction.location) for path in instruction.paths]
    if not all(paths):
        raise stage.fault("VOLUME specified can not be an empty string", instruction.location)
    known: dict[str, dict[str, Any]] = dict(state.config.volumes or {})
    state.config = replaced(state.config, volumes={**known, **{path: {} for path in paths}})
    state.note(f"VOLUME {plain_list(paths)}")


def expose(stage: Stage, instruction: ast.Expose) -> None:
    """``80 90-92/udp 8080:80``: what a host's port may be does not matter here."""
    state = stage.state
    words = [word for port in instruction.ports for word in stage.words(port, instruction.location)]
    try:
        ports = [port for word in words for port in _ports(word)]
    except ValueError as error:
        raise stage.fault(str(error), instruction.location) from error
    state.config = replaced(
        state.config, exposed_ports={**(state.config.exposed_ports or {}), **{port: {} for port in ports}}
    )
    state.note(expose_text(set(ports)), classic=classic_text(" EXPOSE " + " ".join(sorted(words))))


def _ports(word: str) -> list[str]:
    text, _, protocol = word.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    match = _PORT.fullmatch(text)
    if not text:
        raise ValueError(f"no port specified: {word}<empty>")
    first = int(match[1]) if match else -1
    last = int(match[2] or match[1]) if match else -1
    if not 0 <= first <= last <= 65535:
        raise ValueError(f"Invalid containerPort: {text}")
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def cmd(stage: Stage, instruction: ast.Cmd) -> None:
    words = stage.command(instruction.command)
    stage.state.config = replaced(stage.state.config, cmd=words, args_escaped=not stage.state.classic)
    stage.state.cmd_set = True
    stage.state.note(f"CMD {quoted_list(words)}")


def entrypoint(stage: Stage, instruction: ast.Entrypoint) -> None:
    """A CMD that came with the base goes."""
    state = stage.state
    words = stage.command(instruction.command)
    state.config = replaced(state.config, entrypoint=words)
    if not state.cmd_set:
        state.config = replaced(state.config, cmd=None)
    state.note(f"ENTRYPOINT {quoted_list(words)}")


def shell(stage: Stage, instruction: ast.Shell) -> None:
    stage.state.config = replaced(stage.state.config, shell=list(instruction.words))
    stage.state.note(f"SHELL {plain_list(instruction.words)}")


def healthcheck(stage: Stage, instruction: ast.Healthcheck) -> None:
    command = instruction.command
    test = ["NONE"] if command is None else ["CMD-SHELL" if command.shell else "CMD", *command.words]
    health = health_of(instruction, test)
    stage.state.config = replaced(stage.state.config, healthcheck=health)
    stage.state.note(health_text(health))


def stop_signal(stage: Stage, instruction: ast.StopSignal) -> None:
    name = stage.word(instruction.signal, instruction.location)
    if not _is_signal(name):
        raise stage.fault(f"invalid signal: {name}", instruction.location)
    stage.state.config = replaced(stage.state.config, stop_signal=name)
    stage.state.note(f"STOPSIGNAL {name}")


def _is_signal(text: str) -> bool:
    if text.isdecimal():
        return int(text) > 0
    name = text.upper().removeprefix("SIG")
    return re.fullmatch(r"RTM(IN(\+([0-9]|1[0-5]))?|AX(-([0-9]|1[0-4]))?)", name) is not None or (
        f"SIG{name}" in signal.Signals.__members__
    )


def maintainer(stage: Stage, instruction: ast.Maintainer) -> None:
    stage.state.author = instruction.name
    stage.state.note(f"MAINTAINER {instruction.name}")


def onbuild(stage: Stage, instruction: ast.Onbuild) -> None:
    """The one instruction that history does not tell of, but the classic builder's."""
    config = stage.state.config
    stage.state.config = replaced(config, on_build=[*(config.on_build or []), instruction.trigger])
    if stage.state.classic:
        stage.state.note(f"ONBUILD {instruction.trigger}")


SETTINGS: Final[dict[type[ast.Instruction], Callable[[Stage, Any], None]]] = {
    ast.Env: env,
    ast.Arg: arg,
    ast.Label: label,
    ast.User: user,
    ast.Volume: volume,
    ast.Expose: expose,
    ast.Cmd: cmd,
    ast.Entrypoint: entrypoint,
    ast.Shell: shell,
    ast.Healthcheck: healthcheck,
    ast.StopSignal: stop_signal,
    ast.Maintainer: maintainer,
    ast.Onbuild: onbuild,
}
