"""``exec``: one more process in a running container. Execs live in memory until the container has ended."""

from typing import Any

from pier.containers.attach import Attachment
from pier.containers.deps import Deps
from pier.containers.wire import ApiStruct

Strings = tuple[str, ...]


class ExecRequest(ApiStruct, frozen=True, kw_only=True):
    """The body of ``POST /containers/{id}/exec``."""

    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach_keys: str = ""
    tty: bool = False
    console_size: tuple[int, int] | None = None
    env: Strings | None = None
    cmd: Strings | None = None
    privileged: bool = False
    user: str = ""
    working_dir: str = ""
    detach: bool = False


class Exec:
    """One exec, from its creation to the end of its container."""


def decode_exec(data: bytes) -> ExecRequest:
    """Decode the body of ``POST /containers/{id}/exec``; InvalidArgument."""
    raise AssertionError


async def create(deps: Deps, reference: str, request: ExecRequest) -> str:
    """Register an exec and return its id. Conflict when the container is not running or is paused."""
    raise AssertionError


async def start(
    deps: Deps, exec_id: str, *, detach: bool = False, tty: bool = False, console_size: tuple[int, int] | None = None
) -> Attachment | None:
    """Run it: an attachment to its streams (those asked for at creation), or None when detached.

    ``console_size`` is (height, width). NotFound ``No such exec instance: x``; Conflict when it ran already;
    a command that cannot be run raises Docker's ``OCI runtime exec failed: ...``.
    """
    raise AssertionError


def inspect(deps: Deps, exec_id: str) -> dict[str, Any]:
    """The JSON of ``GET /exec/{id}/json``."""
    raise AssertionError


async def resize(deps: Deps, exec_id: str, height: int, width: int) -> None:
    """Tell its terminal its size. Conflict when it is not running."""
    raise AssertionError
