"""The OCI process object of an exec. Blocks (reads the container's bundle and, for a user, its files)."""

from typing import TYPE_CHECKING, Any

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.runtime import bundle
from pier.runtime.lookup import account_in
from pier.runtime.plan import ExecPlan
from pier.runtime.spec import build_process

if TYPE_CHECKING:
    from pier.containers.exec import ExecRequest


def process_of(
    deps: Deps, record: Container, request: "ExecRequest", console_size: tuple[int, int] | None
) -> dict[str, Any]:
    """The container's own process with what the request asks for. InvalidArgument for a user that is not there."""
    container = bundle.read(deps.run_folder(record.id))["process"]
    env = (*(("TERM=xterm",) if request.tty else ()), *(request.env or ()))
    plan = ExecPlan(
        args=request.cmd or (),
        env=env,
        cwd=request.working_dir or None,
        terminal=request.tty,
        console_size=console_size,
        privileged=request.privileged,
    )
    if request.user:
        plan = _as_user(deps, record, request, plan)
    return build_process(container, plan, deps.host)


def _as_user(deps: Deps, record: Container, request: "ExecRequest", plan: ExecPlan) -> ExecPlan:
    account = account_in(deps.snapshots.merged(record.id), request.user, record.host_config.group_add or ())
    given = (*(record.config.env or ()), *plan.env)
    home = () if any(text.startswith("HOME=") for text in given) else (f"HOME={account.home}",)
    return ExecPlan(
        args=plan.args,
        env=plan.env + home,
        cwd=plan.cwd,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        terminal=plan.terminal,
        console_size=plan.console_size,
        privileged=plan.privileged,
    )
