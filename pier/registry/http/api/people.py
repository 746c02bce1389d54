"""Users and robots over the JSON API. A password's hash goes to nobody."""

from typing import Any

import msgspec
from aiohttp import web

from pier.errors import NotFound
from pier.registry.access import accounts
from pier.registry.http.api.asking import Ask
from pier.registry.http.replies import document, reply
from pier.registry.model import Role, User
from pier.registry.refusals import Code, Refusal
from pier.registry.settings import Count

_FRESH = {"Cache-Control": "no-store"}


class _NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """An empty password: the htpasswd file has one."""

    name: str
    password: str = ""
    admin: bool = False
    roles: dict[str, str] = {}


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    password: str | None = None
    admin: bool | None = None
    disabled: bool | None = None
    expires: Count | None = None
    roles: dict[str, str] | None = None

    @property
    def password_alone(self) -> bool:
        return (self.admin, self.disabled, self.expires, self.roles) == (None, None, None, None)


class _RobotChanges(msgspec.Struct, forbid_unknown_fields=True):
    role: Role | None = None
    disabled: bool | None = None
    expires: Count | None = None


class _NewRobot(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    role: str = "writer"
    expires: Count = 0


def shown(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "admin": user.admin,
        "roles": user.projects,
        "disabled": user.disabled,
        "expires": user.expires,
        "created": user.created,
    }


async def users(ask: Ask) -> web.StreamResponse:
    ask.administer()
    found = await ask.registry.records.users()
    return document([shown(user) for user in found if not accounts.is_robot(user.name)])


async def add(ask: Ask) -> web.StreamResponse:
    ask.administer()
    new = await ask.body(_NewUser)
    records, now = ask.registry.records, ask.registry.now()
    user = await accounts.add_user(records, new.name, new.password, admin=new.admin, roles=new.roles, now=now)
    ask.note("user add", target=user.name)
    return _made(shown(user))


async def show(ask: Ask) -> web.StreamResponse:
    """Also of oneself."""
    (name,) = ask.words
    if name != ask.asker.name:
        ask.administer()
    user = await ask.registry.records.user(name)
    if user is None:
        raise NotFound(f"no such user: {name[:255]}")
    return document(shown(user))


async def change(ask: Ask) -> web.StreamResponse:
    """Everybody may change their own password, who has signed in with the old one."""
    (name,) = ask.words
    changes = await ask.body(_Changes)
    own = name == ask.asker.name and ask.asker.grants is None and not accounts.is_robot(name)
    if not (own and changes.password_alone):
        ask.administer()
    return await _change(ask, name, changes)


async def _change(ask: Ask, name: str, changes: _Changes) -> web.StreamResponse:
    records = ask.registry.records
    user = await accounts.change_user(
        records,
        name,
        admin=changes.admin,
        roles=changes.roles,
        disabled=changes.disabled,
        expires=changes.expires,
        password=changes.password,
    )
    ask.note("user change", target=name)
    return document(shown(user))


async def remove(ask: Ask) -> web.StreamResponse:
    ask.administer()
    (name,) = ask.words
    await accounts.remove_user(ask.registry.records, name)
    ask.note("user remove", target=name)
    return reply(204)


async def robots(ask: Ask) -> web.StreamResponse:
    (project,) = ask.words
    ask.lead(project)
    found = await ask.registry.records.users()
    return document([shown(user) for user in found if _is_of(user.name, project)])


def _is_of(name: str, project: str) -> bool:
    return accounts.is_robot(name) and accounts.project_of(name) == project


async def add_robot(ask: Ask) -> web.StreamResponse:
    """Its secret is in this answer, and nowhere else."""
    (project,) = ask.words
    ask.lead(project)
    new = await ask.body(_NewRobot)
    robot, secret = await accounts.add_robot(
        ask.registry.records, project, new.name, new.role, expires=new.expires, now=ask.registry.now()
    )
    ask.note("robot add", target=robot.name)
    return _made({**shown(robot), "secret": secret})


async def change_robot(ask: Ask) -> web.StreamResponse:
    project, name = ask.words
    ask.lead(project)
    given = await ask.body(_RobotChanges)
    roles = {project: str(given.role)} if given.role else None
    changes = _Changes(disabled=given.disabled, expires=given.expires, roles=roles)
    return await _change(ask, _robot(project, name), changes)


async def remove_robot(ask: Ask) -> web.StreamResponse:
    project, name = ask.words
    ask.lead(project)
    robot = _robot(project, name)
    await accounts.remove_user(ask.registry.records, robot)
    ask.note("robot remove", target=robot)
    return reply(204)


def _robot(project: str, name: str) -> str:
    """``ci`` or ``robot$team+ci``. Raises Refusal DENIED for one of another project."""
    full = name if accounts.is_robot(name) else f"{accounts.ROBOT}{project}+{name}"
    if accounts.project_of(full) != project:
        raise Refusal(Code.DENIED, "requested access to the resource is denied")
    return full


def _made(content: Any) -> web.StreamResponse:
    answer = document(content, _FRESH)
    answer.set_status(201)
    return answer
