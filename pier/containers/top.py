"""``top``: the processes of a container, as the host's ps(1) shows them."""

import re
import shlex
from typing import Any, Final

from pier.containers.deps import Deps
from pier.containers.state import check_alive
from pier.errors import Internal, InvalidArgument, Unsupported
from pier.linux.process import run

_TIMEOUT: Final = 30.0
_RENAMED: Final = re.compile(r"\s(\S+)=\s*(PID\S*)", re.ASCII)


async def top(deps: Deps, reference: str, ps_args: str = "-ef") -> dict[str, Any]:
    """The JSON of ``GET /containers/{id}/top``. Conflict when it is not running.

    ps is asked about all processes of the host and shows those of the container: with its own selection many
    options (``aux``) do not go together.
    """
    record = deps.registry.find(reference).record
    check_alive(record)
    assert record.supervised is not None
    arguments = split_arguments(ps_args)
    pids = await deps.runtime.pids(record.supervised)
    try:
        finished = await run(["ps", *arguments], timeout=_TIMEOUT)
    except FileNotFoundError as error:
        raise Unsupported("ps: executable file not found in $PATH: install the package procps") from error
    except TimeoutError as error:
        raise Internal("ps: it does not end") from error
    if finished.returncode != 0:
        complaint = finished.stderr.decode(errors="replace").strip().splitlines()
        raise InvalidArgument(f"ps: {complaint[0] if complaint else f'exit status {finished.returncode}'}")
    return parse_processes(finished.stdout.decode(errors="replace"), set(pids))


def split_arguments(ps_args: str) -> list[str]:
    """The words of ``ps_args``. InvalidArgument for another column under PID's title: it would mislead us."""
    for column, title in _RENAMED.findall(" " + ps_args):
        if column != "pid":
            raise InvalidArgument(f'specifying "{column}={title}" is not allowed')
    try:
        return shlex.split(ps_args) or ["-ef"]
    except ValueError as error:
        raise InvalidArgument(f"invalid ps arguments: {error}") from error


def parse_processes(output: str, pids: set[int]) -> dict[str, Any]:
    """What ps printed, without the processes that are not in ``pids``. The last column has the rest of a line."""
    header, *lines = output.splitlines() or [""]
    titles = header.split()
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    column = titles.index("PID")
    processes: list[list[str]] = []
    wanted = False
    for line in lines:
        fields = line.split(maxsplit=len(titles) - 1)
        if len(fields) <= column:
            continue
        if fields[column] != "-":  # a thread's line (-m) belongs to the process above it
            wanted = fields[column].isdecimal() and int(fields[column]) in pids
        if wanted:
            processes.append([field.strip() for field in fields])
    return {"Titles": titles, "Processes": processes}
