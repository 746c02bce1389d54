"""How a container's standard streams are held, and its log kept (pure)."""

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.validate import parse_size
from pier.logs.rotate import Limits
from pier.runtime.runtime import Stdio


def stdio_of(deps: Deps, record: Container) -> Stdio:
    """The supervisor's part: streams, and the log file with the size at which it cuts on its own."""
    config, limits = record.config, log_limits(deps, record)
    logged = record.host_config.log_config.type != "none"
    return Stdio(
        terminal=config.tty,
        stdin=config.open_stdin,
        stdin_once=config.stdin_once,
        log_path=str(deps.log_path(record.id)) if logged else None,
        log_max=limits.cap if logged and limits else None,
    )


def log_limits(deps: Deps, record: Container) -> Limits | None:
    """What the log may grow to; None: without end (``max-size=-1``), or there is no log."""
    log = record.host_config.log_config
    options = log.config or {}
    size = options.get("max-size", "")
    if size == "-1" or log.type == "none":
        return None
    files = options.get("max-file")
    return Limits(
        size=parse_size(size) if size else deps.settings.log_max_size,
        files=int(files) if files else deps.settings.log_max_files,
    )
