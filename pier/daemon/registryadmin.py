"""``pier registry user|robot|project``: people and rights, changed in the database itself, on the registry's host.

Projects' verbs are in :mod:`pier.daemon.registryprojects`. Passwords come from a prompt or from standard input, never
from the command line. Instances that run see a change within two seconds.
"""

import argparse
import asyncio
import getpass
import os
import pwd
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pier.daemon import registryprojects
from pier.daemon.registryruns import opened, show_table
from pier.errors import InvalidArgument, NotFound, PierError
from pier.metadata.registry.opening import open_records
from pier.registry.access import accounts
from pier.registry.access.audit import Audit
from pier.registry.configuration import load
from pier.registry.model import User
from pier.registry.records import Records

_DAY: Final = 86400
_SETTINGS: Final = ("config", "database", "root")
Arguments = argparse.Namespace
Work = Callable[[Records, Arguments], Awaitable[None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    try:
        given = _parser().parse_args(arguments)
        asyncio.run(_with_records(given))
    except PierError as error:
        print(f"pier registry: {error.message}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    return 0


async def _with_records(given: Arguments) -> None:
    os.umask(0o027)
    words = [f"--{name}={getattr(given, name)}" for name in _SETTINGS if getattr(given, name)]
    settings = load(words, os.environ)
    verbs = _VERBS[given.noun]
    if given.verb not in verbs:
        raise InvalidArgument(f"unknown command: {given.noun} {given.verb} ({', '.join(verbs)})")
    if given.verb != "ls" and not given.name:
        raise InvalidArgument(f"{given.noun} {given.verb} needs a name")
    if given.verb == "add":
        records: Records = await open_records(settings.database or await asyncio.to_thread(_in_folder, settings.root))
    else:
        records = await opened(settings)
    audit = Audit(settings.audit_log if given.verb != "ls" else "")
    try:
        await verbs[given.verb](records, given)
        audit.note(f"{given.noun} {given.verb}", who=_me(), address="local", result="ok", target=given.name)
    finally:
        await records.stop()
        await audit.stop()


def _me() -> str:
    """The account of this host that does it."""
    try:
        return f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"local:{os.getuid()}"


def _in_folder(root: str) -> str:
    if not Path(root).is_absolute():
        raise InvalidArgument(f"root must be an absolute path: {root}")
    try:
        Path(root).mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"cannot use the folder {root}: {error.strerror}") from error
    return f"sqlite://{root}/registry.db"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pier registry", add_help=False, allow_abbrev=False)
    parser.add_argument("noun", choices=sorted(_VERBS))
    parser.add_argument("verb")
    parser.add_argument("name", nargs="?", default="")
    for name in _SETTINGS:
        parser.add_argument(f"--{name}", default="")
    for name in ("admin", "disabled", "public", "password-stdin", "no-password", "untagged"):
        parser.add_argument(f"--{name}", type=_switch, default=None)
    for name in ("role", "immutable", "keep"):
        parser.add_argument(f"--{name}", action="append", default=None)
    for name in ("days", "quota"):
        parser.add_argument(f"--{name}", type=int, default=None)
    return parser


def _switch(text: str) -> bool:
    return text == "true"


def _password(given: Arguments) -> str:
    if given.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidArgument("a password is asked for on a terminal, or read with --password-stdin")
    password = getpass.getpass(f"Password for {given.name}: ")
    if getpass.getpass("Once more: ") != password:
        raise InvalidArgument("these are two different passwords")
    return password


def _roles(given: Arguments) -> dict[str, str]:
    """``PROJECT=ROLE`` words; an empty role takes it away."""
    words = [word.partition("=") for word in given.role or ()]
    if any(not equals for _, equals, _ in words):
        raise InvalidArgument("--role takes PROJECT=ROLE")
    return {project: role for project, _, role in words}


def _expires(given: Arguments) -> int | None:
    if given.days is None:
        return None
    return _now() + given.days * _DAY if given.days else 0


def _now() -> int:
    return int(time.time())


async def _add_user(records: Records, given: Arguments) -> None:
    password = "" if given.no_password else _password(given)
    if not password and not given.no_password:
        raise InvalidArgument("the password is empty")
    admin, roles = bool(given.admin), _roles(given)
    await accounts.add_user(records, given.name, password, admin=admin, roles=roles, now=_now())
    print(given.name)


async def _set_user(records: Records, given: Arguments) -> None:
    roles, expires = _roles(given), _expires(given)
    await accounts.change_user(
        records, given.name, admin=given.admin, roles=roles, disabled=given.disabled, expires=expires
    )
    print(given.name)


async def _set_password(records: Records, given: Arguments) -> None:
    if await records.user(given.name) is None:
        raise NotFound(f"no such user: {given.name}")
    await accounts.change_user(records, given.name, password=_password(given))
    print(given.name)


async def _remove_user(records: Records, given: Arguments) -> None:
    await accounts.remove_user(records, given.name)
    print(given.name)


async def _add_robot(records: Records, given: Arguments) -> None:
    """Prints the robot's name, and its secret: the only time that it is shown."""
    project, slash, name = given.name.partition("/")
    role = (given.role or ["writer"])[0]
    if not slash:
        raise InvalidArgument("a robot's name is PROJECT/NAME")
    robot, secret = await accounts.add_robot(records, project, name, role, expires=_expires(given) or 0, now=_now())
    print(f"name: {robot.name}\nsecret: {secret}")


def _robot(given: Arguments) -> str:
    """``PROJECT/NAME``, or the name that it signs in with."""
    project, slash, name = given.name.partition("/")
    return f"{accounts.ROBOT}{project}+{name}" if slash else project


async def _set_robot(records: Records, given: Arguments) -> None:
    name = _robot(given)
    roles = {accounts.project_of(name): given.role[0]} if given.role else {}
    await accounts.change_user(records, name, roles=roles, disabled=given.disabled, expires=_expires(given))
    print(given.name)


async def _remove_robot(records: Records, given: Arguments) -> None:
    await accounts.remove_user(records, _robot(given))
    print(given.name)


async def _list_users(records: Records, given: Arguments) -> None:
    robots = given.noun == "robot"
    found = [user for user in await records.users() if accounts.is_robot(user.name) == robots]
    show_table([("NAME", "ROLES", "STATE", "EXPIRES"), *map(_row, found)])


def _row(user: User) -> tuple[str, ...]:
    roles = [f"{pattern}={role}" for pattern, role in sorted(user.projects.items())]
    state = "disabled" if user.disabled else "expired" if 0 < user.expires <= _now() else "active"
    return user.name, " ".join(["admin"] * user.admin + roles), state, _day(user.expires)


def _day(epoch: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(epoch)) if epoch else ""


_VERBS: Final[Mapping[str, Mapping[str, Work]]] = {
    "user": {
        "add": _add_user,
        "set": _set_user,
        "passwd": _set_password,
        "rm": _remove_user,
        "ls": _list_users,
    },
    "robot": {"add": _add_robot, "set": _set_robot, "rm": _remove_robot, "ls": _list_users},
    "project": registryprojects.VERBS,
}


if __name__ == "__main__":
    sys.exit(main())
