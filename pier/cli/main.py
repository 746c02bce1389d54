"""``pier``: find the command, read its flags, do it, and turn errors into exit codes.

Exit codes: the command's own; 125 for a wrong flag; 1 for other errors; 130 when interrupted.
"""

from __future__ import annotations

import io
import os
import sys

from pier.cli.command import MANY, Command, Failure, Flag, HelpWanted, UsageError
from pier.cli.parse import FlagError, parse_flags
from pier.cli.tree import find, is_group
from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Sequence
    from typing import Any
else:
    import _signal

GLOBAL_FLAGS = (
    Flag("config", "string", "Folder of the client's settings and credentials", default="~/.docker"),
    Flag("context", "string", 'Named daemon to talk to: only "default" so far, use --host', "c"),
    Flag("debug", "bool", "Print a traceback when something fails", "D"),
    Flag("host", "list", "Socket of the daemon to talk to", "H"),
    Flag("log-level", "string", 'How much to tell: "debug", "info", "warn", "error", "fatal"', "l", "info"),
    Flag("tls", "bool", "Use TLS; --tlsverify implies it"),
    Flag("tlscacert", "string", "Trust only servers whose certificate this CA signed", default="~/.docker/ca.pem"),
    Flag("tlscert", "string", "Certificate to show the server", default="~/.docker/cert.pem"),
    Flag("tlskey", "string", "Key of that certificate", default="~/.docker/key.pem"),
    Flag("tlsverify", "bool", "Use TLS and check the server's certificate"),
    Flag("version", "bool", "Print the version and quit", "v"),
)

_SOON = 0.01


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line. Returns the exit code."""
    if argv is None:
        _prepare_streams()
        sys.unraisablehook = heed
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "-D" in words[:1] or "--debug" in words[:1]
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except (UsageError, Failure) as error:
        return _complain(str(error), error.status)
    except PierError as error:
        from pier.cli.errors import sentence

        if debug:
            raise
        return _complain(sentence(error), 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _hung_up()
    except OSError as error:
        if debug:
            raise
        return _complain(_system_sentence(error), 1)


def _dispatch(words: list[str]) -> int:
    try:
        parsed = parse_flags(GLOBAL_FLAGS, words, interspersed=False)
    except FlagError as error:
        raise UsageError(f"{error}\n\nUsage:  pier [OPTIONS] COMMAND [ARG...]\n{_more('')}", 125) from None
    except HelpWanted:
        return _help([])
    options, args = parsed.values, parsed.args
    if options.get("version"):
        from pier.version import VERSION

        print(f"Pier version {VERSION}")
        return 0
    if args and args[0] == "__complete":
        from pier.cli.commands.completion import complete

        return complete(args[1:], GLOBAL_FLAGS, options)
    if not args or args[0] == "help":
        return _help(args[1:])
    return _run(args, options)


def _run(args: list[str], options: dict[str, Any]) -> int:
    path, command, rest = find(args)
    if command is None:
        if path and (not rest or rest[0] in ("--help", "-h", "help")):
            return _help(path.split())
        if rest[0].startswith("-"):
            raise UsageError(f"unknown flag: {rest[0]}\n{_usage(path)}{_more(path)}", 125)
        unknown = f"pier {path} {rest[0]}" if path else f"pier {rest[0]}"
        usage = f"\nUsage:  pier {path}\n" if path else ""
        raise UsageError(f"pier: unknown command: {unknown}\n{usage}{_more(path)}", 1)
    try:
        parsed = parse_flags(command.flags, rest, command.interspersed)
    except FlagError as error:
        raise UsageError(f"{error}\n{_usage(path, command)}{_more(path)}", 125) from None
    except HelpWanted:
        return _help(path.split())
    _check_count(path, command, len(parsed.args))
    from pier.cli.call import Call

    return command.run(Call(path, command, parsed.values, parsed.args, options))


def _check_count(path: str, command: Command, count: int) -> None:
    low, high = command.minimum, command.maximum
    if low <= count <= high:
        return
    verb = "Run"
    if high == 0:
        wanted = "accepts no arguments"
    elif low == high:
        wanted = f"requires {low} {_plural(low)}"
    elif high == MANY:
        wanted = f"requires at least {low} {_plural(low)}"
        verb = "See"
    elif low:
        wanted = f"requires at least {low} and at most {high} {_plural(high)}"
    else:
        wanted = f"requires at most {high} {_plural(high)}"
    raise UsageError(f"pier: 'pier {path}' {wanted}\n{_usage(path, command)}{_more(path, verb)}", 1)


def _plural(count: int) -> str:
    return "argument" if count == 1 else "arguments"


def _usage(path: str, command: Command | None = None) -> str:
    from pier.cli.help import usage_line

    return f"\nUsage:  {usage_line(path, command)}\n"


def _more(path: str, verb: str = "Run") -> str:
    name = f"pier {path}" if path else "pier"
    return f"\n{verb} '{name} --help' for more information"


def _help(words: list[str]) -> int:
    from pier.cli.help import command_help, group_help, top_help

    path, command, rest = find(words) if words else ("", None, [])
    if rest or (path and command is None and not is_group(path)):
        raise UsageError(f"pier: unknown help topic: {' '.join(words)}", 1)
    if command is not None:
        sys.stdout.write(command_help(path, command))
    else:
        sys.stdout.write(group_help(path) if path else top_help(GLOBAL_FLAGS))
    return 0


def _complain(text: str, status: int) -> int:
    if text:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            return _hung_up()
        sys.stderr.write(text + "\n")
    return status


def _hung_up() -> int:
    """The reader of our output has gone: end as SIGPIPE would, without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141


def _system_sentence(error: OSError) -> str:
    reason = error.strerror.lower() if error.strerror else str(error)
    return f"open {error.filename}: {reason}" if error.filename else reason


def _prepare_streams() -> None:
    """A closed descriptor 0, 1 or 2 would be taken by the next socket: it becomes /dev/null. Output is UTF-8."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(descriptor, "r" if descriptor == 0 else "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def heed(told: sys.UnraisableHookArgs) -> None:
    """The interpreter drops a Ctrl-C that comes in the middle of its own tidying up, as after an import: once more."""
    if told.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(told)
        return
    _signal.signal(_signal.SIGALRM, _signal.default_int_handler)
    _signal.setitimer(_signal.ITIMER_REAL, _SOON)


def run_and_exit() -> None:
    """For ``bin/pier``: leave without the interpreter's own farewell, which costs a millisecond."""
    status = main()
    try:
        sys.stderr.flush()
    except BrokenPipeError:
        status = 141
    os._exit(status)
