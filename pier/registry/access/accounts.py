"""Users, robots and projects are made, changed and removed: what the JSON API and ``pier registry user`` share."""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final, get_args

import msgspec

from pier.errors import Conflict, InvalidArgument, NotFound
from pier.registry import names
from pier.registry.access.passwords import hash_password
from pier.registry.model import Project, Role, User
from pier.registry.records import Records
from pier.registry.refusals import Refusal
from pier.registry.threads import hop

ROBOT: Final = "robot$"
_USER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?", re.A)
_ROBOT: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.A)
_PATTERN: Final = re.compile(r"[a-z0-9._/*?\[\]!-]{1,255}", re.A)
_SECRET_BYTES: Final = 30


async def add_user(
    records: Records,
    name: str,
    password: str,
    *,
    admin: bool = False,
    roles: Mapping[str, str] | None = None,
    now: int,
) -> User:
    """An empty ``password``: one that the htpasswd file has, or none. Raises InvalidArgument, Conflict."""
    if not _USER.fullmatch(name):
        raise InvalidArgument(f"invalid user name ({name[:70]}): letters, digits, '.', '_', '@' and '-' are allowed")
    given = roles_of(roles or {})
    secret = await hop(None, hash_password, password) if password else ""
    user = User(name=name, secret=secret, admin=admin, projects=given, created=now)
    if not await records.exchange_user(None, user):
        raise Conflict(f"user {name} already exists")
    return user


async def add_robot(
    records: Records, project: str, name: str, role: str, *, expires: int = 0, now: int
) -> tuple[User, str]:
    """The robot, and its secret, which nobody can be told again. Raises InvalidArgument, Conflict."""
    project_name(project)
    if not _ROBOT.fullmatch(name):
        raise InvalidArgument(f"invalid robot name ({name[:70]}): small letters, digits, '.', '_' and '-' are allowed")
    full = f"{ROBOT}{project}+{name}"
    given = roles_of({project: role})
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    hashed = await hop(None, hash_password, secret)
    robot = User(name=full, secret=hashed, projects=given, expires=expires, created=now)
    if not await records.exchange_user(None, robot):
        raise Conflict(f"robot {full} already exists")
    return robot, secret


async def change_user(
    records: Records,
    name: str,
    *,
    admin: bool | None = None,
    roles: Mapping[str, str] | None = None,
    disabled: bool | None = None,
    expires: int | None = None,
    password: str | None = None,
) -> User:
    """All of it or, with NotFound or InvalidArgument, nothing.

    ``roles`` are added to those that are there; an empty one takes that away. Tokens that were given for the
    ``password`` before are no good any more.
    """
    if is_robot(name) and (admin or any(_beyond(name, pattern) for pattern in roles or {})):
        raise InvalidArgument("a robot has a role in its own project only")
    given = roles_of({pattern: role for pattern, role in (roles or {}).items() if role})
    secret = None if password is None else await hop(None, hash_password, password)

    def changed(user: User) -> User:
        kept = {pattern: role for pattern, role in user.projects.items() if pattern not in (roles or {})}
        return msgspec.structs.replace(
            user,
            secret=user.secret if secret is None else secret,
            admin=user.admin if admin is None else admin,
            projects={**kept, **given},
            disabled=user.disabled if disabled is None else disabled,
            expires=user.expires if expires is None else expires,
        )

    return await _change(records, name, changed)


async def remove_user(records: Records, name: str) -> None:
    """Raises NotFound."""
    if not await records.delete_user(name):
        raise NotFound(f"no such user: {name[:255]}")


async def _change(records: Records, name: str, change: Callable[[User], User]) -> User:
    """Again, where somebody else has changed them meanwhile: neither change is lost. Raises NotFound."""
    while True:
        user = await records.user(name)
        if user is None:
            raise NotFound(f"no such user: {name[:255]}")
        changed = change(user)
        if await records.exchange_user(user, changed):
            return changed


def is_robot(name: str) -> bool:
    return name.startswith(ROBOT)


def project_of(robot: str) -> str:
    return robot.removeprefix(ROBOT).partition("+")[0]


def _beyond(robot: str, pattern: str) -> bool:
    return pattern != project_of(robot)


def project_name(name: str) -> str:
    """``name`` itself. Raises InvalidArgument."""
    try:
        return names.repository(name if "/" not in name else "")
    except Refusal as error:
        raise InvalidArgument(
            f"invalid project name ({name[:255]}): the first part of its repositories' names"
        ) from error


def roles_of(given: Mapping[str, str]) -> dict[str, Role]:
    """Raises InvalidArgument."""
    for pattern, role in given.items():
        if not _PATTERN.fullmatch(pattern):
            raise InvalidArgument(f"invalid project or pattern: {pattern[:255]}")
        if role not in get_args(Role):
            raise InvalidArgument(f"invalid role ({role[:20]}): reader, writer or admin")
    return msgspec.convert(dict(given), dict[str, Role])


async def put_project(records: Records, known: Project | None, project: Project, now: int) -> Project:
    """Make it, or replace the rules that are ``known``. Raises InvalidArgument, Conflict where they are others now."""
    project_name(project.name)
    check_project(project)
    made = msgspec.structs.replace(project, created=known.created if known else now)
    if not await records.exchange_project(known, made):
        raise Conflict(f"project {project.name} was changed by somebody else")
    return made


def check_project(project: Project) -> None:
    """Raises InvalidArgument."""
    numbers: Iterable[int] = (project.quota, *(n for rule in project.retention for n in (rule.keep, rule.days)))
    if any(not 0 <= number < 1 << 62 for number in numbers):
        raise InvalidArgument("a quota, and the numbers of a retention rule, are 0 or more")
    if any(not pattern or len(pattern) > 255 for pattern in project.immutable):
        raise InvalidArgument("immutable takes patterns of tags")
