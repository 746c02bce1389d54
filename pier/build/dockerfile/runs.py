"""RUN to the graph (pure)."""

import re
from typing import Final

from pier.build.dockerfile import ast
from pier.build.dockerfile.stage import Stage
from pier.build.dockerfile.stepmounts import Mounts
from pier.build.dockerfile.texts import classic_run_text, heredoc_summary, run_text
from pier.build.dockerfile.variables import proxies
from pier.build.graph import Exec, InlineFile

_ALONE: Final = re.compile(r"\s*\d*<<-?\s*['\"]?[^\s<'\"]+['\"]?\s*")
_PIPES: Final = "/dev/pipes/"
_HOSTNAME: Final = "BUILDKIT_SANDBOX_HOSTNAME"


def run(stage: Stage, instruction: ast.Run) -> None:
    state = stage.state
    args, files = _program(stage, instruction.command)
    inputs = [] if state.root is None else [state.root]
    mounts = Mounts(stage, instruction, inputs)
    op = Exec(
        args=tuple(args),
        base=None if state.root is None else 0,
        env=state.environment(mounts.env),
        cwd=stage.workdir,
        user=state.config.user,
        mounts=mounts.made,
        files=tuple(files),
        network=_network(stage, instruction),
        security=_security(stage, instruction),
        hostname=stage.argument(_HOSTNAME, None) or "",
    )
    text = run_text(args, state.arguments, state.variables)
    shown = instruction.text
    if _is_script(instruction.command):
        shown += heredoc_summary(instruction.command.heredocs[0])
    state.root = stage.step(instruction, op, inputs, environment=proxies(stage.request.build_args), shown=shown)
    state.note(text, layer=True, classic=classic_run_text(text))


def _is_script(command: ast.Command) -> bool:
    """Whether one here-document is all of the command."""
    return len(command.heredocs) == 1 and command.shell and _ALONE.fullmatch(command.words[0]) is not None


def _program(stage: Stage, command: ast.Command) -> tuple[list[str], list[InlineFile]]:
    """What is executed, and the files that it needs."""
    if not command.heredocs:
        return stage.command(command), []
    if _is_script(command):
        script = command.heredocs[0]
        if script.content.startswith("#!"):
            file = InlineFile(_PIPES + script.name, script.content)
            return [*stage.shell, file.target], [file]
        return [*stage.shell, script.content], []
    documents = "".join(f"{each.content}{each.name}" + "\n" for each in command.heredocs).rstrip("\n")
    return [*stage.shell, f"{command.words[0]}\n{documents}"], []


def _network(stage: Stage, instruction: ast.Run) -> str:
    network = instruction.network or stage.request.network
    if instruction.network == "host" and "network.host" not in stage.request.entitlements:
        raise stage.fault("network.host is not allowed", instruction.location)
    return network


def _security(stage: Stage, instruction: ast.Run) -> str:
    if instruction.security == "insecure" and "security.insecure" not in stage.request.entitlements:
        raise stage.fault("security.insecure is not allowed", instruction.location)
    return instruction.security or "sandbox"
