"""``pier registry user|robot|project``: people and rights, changed in the database itself, on the registry's host.

Passwords come from a prompt or from standard input, never from the command line. Instances that run see a change
within two seconds.
"""

import argparse
import asyncio
import getpass
import os
import pwd
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from pier.daemon.registryruns import opened
from pier.errors import InvalidArgument, NotFound, PierError
from pier.metadata.registry.opening import open_records
from pier.registry.access import accounts
from pier.registry.access.audit import Audit
from pier.registry.configuration import load
from pier.registry.model import Project, Rule, User
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
    _table(("NAME", "ROLES", "STATE", "EXPIRES"), (_row(user) for user in found))


def _row(user: User) -> tuple[str, ...]:
    roles = [f"{pattern}={role}" for pattern, role in sorted(user.projects.items())]
    state = "disabled" if user.disabled else "expired" if 0 < user.expires <= _now() else "active"
    return user.name, " ".join(["admin"] * user.admin + roles), state, _day(user.expires)


async def _put_project(records: Records, given: Arguments) -> None:
    known = await records.project(given.name)
    if given.verb == "set" and known is None and given.name not in await records.usage(given.name):
        raise NotFound(f"no such project: {given.name}")
    project = known or Project(name=given.name)
    changes = {name: getattr(given, name) for name in ("public", "quota") if getattr(given, name) is not None}
    if given.immutable is not None:
        changes["immutable"] = tuple(each for each in given.immutable if each)
    if given.keep is not None or given.untagged is not None:
        changes["retention"] = _retention(given)
    elif given.days is not None:
        raise InvalidArgument("--days goes with --keep PATTERN=NUMBER or --untagged")
    await accounts.put_project(records, known, msgspec.structs.replace(project, **changes), _now())
    print(given.name)


def _retention(given: Arguments) -> tuple[Rule, ...]:
    """``PATTERN=N`` keeps the newest N tags that match, and all that are younger than ``--days``."""
    words = [word.rpartition("=") for word in given.keep or () if word]
    if any(not (pattern and number.isdigit()) for pattern, _, number in words):
        raise InvalidArgument("--keep takes PATTERN=NUMBER")
    days = given.days or 0
    rules = [Rule(pattern=pattern, keep=int(number), days=days) for pattern, _, number in words]
    return (*rules, Rule(untagged=True, days=days)) if given.untagged else tuple(rules)


async def _remove_project(records: Records, given: Arguments) -> None:
    if await records.project(given.name) is None:
        raise NotFound(f"no such project: {given.name}")
    await records.delete_project(given.name)
    print(given.name)


async def _list_projects(records: Records, given: Arguments) -> None:
    used = await records.usage()
    known = {project.name: project for project in await records.projects()}
    rows = []
    for name in sorted(known.keys() | used.keys()):
        project = known.get(name, Project(name=name))
        quota = str(project.quota) if project.quota else ""
        kind = "public" if project.public else "private"
        rules = " ".join(map(_kept, project.retention))
        rows.append((name, kind, str(used.get(name, 0)), quota, " ".join(project.immutable), rules))
    _table(("NAME", "PULL", "BYTES", "QUOTA", "IMMUTABLE", "KEEP"), rows)


def _kept(rule: Rule) -> str:
    """``team/web*:pr-*=5,14d``: the newest five, and what is younger than that."""
    what = "untagged" if rule.untagged else f"{rule.pattern}={rule.keep}"
    where = f"{rule.repositories}:" if rule.repositories != "*" else ""
    return f"{where}{what},{rule.days}d" if rule.days else f"{where}{what}"


def _day(epoch: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(epoch)) if epoch else ""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


_VERBS: Final[dict[str, dict[str, Work]]] = {
    "user": {
        "add": _add_user,
        "set": _set_user,
        "passwd": _set_password,
        "rm": _remove_user,
        "ls": _list_users,
    },
    "robot": {"add": _add_robot, "set": _set_robot, "rm": _remove_robot, "ls": _list_users},
    "project": {"add": _put_project, "set": _put_project, "rm": _remove_project, "ls": _list_projects},
}


if __name__ == "__main__":
    sys.exit(main())
