"""Projects over the JSON API: who may pull, quota, immutable tags, retention; and who has which role in one."""

from fnmatch import fnmatchcase
from typing import Any

import msgspec
from aiohttp import web

from pier.errors import NotFound
from pier.registry.access import accounts
from pier.registry.access.policy import Rights
from pier.registry.http.api.asking import Ask
from pier.registry.http.replies import document, reply
from pier.registry.model import Project, Role, Rule
from pier.registry.refusals import Code, Refusal


class _Rule(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule whose pattern was misspelt would be one about all tags."""


class _Rules(msgspec.Struct, forbid_unknown_fields=True):
    """What is not said stays as it is."""

    public: bool | None = None
    quota: int | None = None
    immutable: tuple[str, ...] | None = None
    retention: tuple[_Rule, ...] | None = None


class _Member(msgspec.Struct, forbid_unknown_fields=True):
    role: Role


def _shown(project: Project, used: int) -> dict[str, Any]:
    return {
        "name": project.name,
        "public": project.public,
        "quota": project.quota,
        "used": used,
        "immutable": project.immutable,
        "retention": project.retention,
        "created": project.created,
    }


def _concerns(rights: Rights, project: Project) -> bool:
    return (
        rights.admin
        or project.public
        or any(fnmatchcase(project.name, pattern.partition("/")[0]) for pattern in rights.roles)
    )


async def projects(ask: Ask) -> web.StreamResponse:
    """Those with rules, and those that have repositories, as far as they concern who asks."""
    used = await ask.registry.records.usage()
    known = {project.name: project for project in await ask.registry.records.projects()}
    names = sorted(known.keys() | used.keys())
    found = [known.get(name) or Project(name=name) for name in names]
    return document([_shown(each, used.get(each.name, 0)) for each in found if _concerns(ask.asker.rights, each)])


async def show(ask: Ask) -> web.StreamResponse:
    (name,) = ask.words
    used = await ask.registry.records.usage(name)
    project = await ask.registry.records.project(name)
    if project is None and name not in used:
        raise NotFound(f"no such project: {name[:255]}")
    project = project or Project(name=name)
    if not _concerns(ask.asker.rights, project):
        ask.lead(name)
    return document(_shown(project, used.get(name, 0)))


async def put(ask: Ask) -> web.StreamResponse:
    """Only the registry's administrators say how large one may grow, and make those that nobody has pushed to."""
    (name,) = ask.words
    ask.lead(name)
    rules = await ask.body(_Rules)
    known = await ask.registry.records.project(name)
    used = await ask.registry.records.usage(name)
    before = known or Project(name=name)
    there = known is not None or name in used
    if not ask.asker.rights.admin and (not there or rules.quota not in (None, before.quota)):
        raise Refusal(Code.DENIED, "only administrators of the registry make projects and set quotas")
    changes = {key: value for key, value in msgspec.structs.asdict(rules).items() if value is not None}
    wanted = msgspec.structs.replace(before, **changes)
    made = await accounts.put_project(ask.registry.records, known, wanted, ask.registry.now())
    ask.note("project set", target=name)
    return document(_shown(made, used.get(name, 0)))


async def remove(ask: Ask) -> web.StreamResponse:
    """Its rules; the repositories stay."""
    ask.administer()
    (name,) = ask.words
    if await ask.registry.records.project(name) is None:
        raise NotFound(f"no such project: {name[:255]}")
    await ask.registry.records.delete_project(name)
    ask.note("project remove", target=name)
    return reply(204)


async def members(ask: Ask) -> web.StreamResponse:
    """Roles by user, of those that were given for this project as a whole."""
    (name,) = ask.words
    ask.lead(name)
    found = await ask.registry.records.users()
    return document({user.name: user.projects[name] for user in found if name in user.projects})


async def put_member(ask: Ask) -> web.StreamResponse:
    project, name = ask.words
    ask.lead(project)
    member = await ask.body(_Member)
    return await _change(ask, project, name, member.role)


async def remove_member(ask: Ask) -> web.StreamResponse:
    project, name = ask.words
    ask.lead(project)
    return await _change(ask, project, name, "")


async def _change(ask: Ask, project: str, name: str, role: str) -> web.StreamResponse:
    accounts.project_name(project)
    user = await accounts.change_user(ask.registry.records, name, roles={project: role})
    ask.note("role", target=name, project=project, role=role or "none")
    return document({user.name: user.projects.get(project)})
