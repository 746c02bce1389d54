"""``pier registry project``: who may pull, how much there may be, which tags stay and which go."""

import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from pier.daemon.registryruns import show_table
from pier.errors import InvalidArgument, NotFound
from pier.registry.access import accounts
from pier.registry.model import Project, Rule
from pier.registry.records import Records


async def _put(records: Records, given: Namespace) -> None:
    """Flags that are not given change nothing; retention rules are all replaced, since they have no names."""
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
    await accounts.put_project(records, known, msgspec.structs.replace(project, **changes), int(time.time()))
    print(given.name)


def _retention(given: Namespace) -> tuple[Rule, ...]:
    """``PATTERN=N`` keeps the newest N tags that match, and all that are younger than ``--days``."""
    words = [word.rpartition("=") for word in given.keep or () if word]
    if any(not (pattern and number.isascii() and number.isdigit()) for pattern, _, number in words):
        raise InvalidArgument("--keep takes PATTERN=NUMBER")
    days = given.days or 0
    rules = [Rule(pattern=pattern, keep=int(number), days=days) for pattern, _, number in words]
    return (*rules, Rule(untagged=True, days=days)) if given.untagged else tuple(rules)


async def _remove(records: Records, given: Namespace) -> None:
    if await records.project(given.name) is None:
        raise NotFound(f"no such project: {given.name}")
    await records.delete_project(given.name)
    print(given.name)


async def _list(records: Records, given: Namespace) -> None:
    used = await records.usage()
    known = {project.name: project for project in await records.projects()}
    rows: list[tuple[str, ...]] = [("NAME", "PULL", "BYTES", "QUOTA", "IMMUTABLE", "KEEP")]
    for name in sorted(known.keys() | used.keys()):
        project = known.get(name, Project(name=name))
        quota = str(project.quota) if project.quota else ""
        kind = "public" if project.public else "private"
        rules = " ".join(map(_kept, project.retention))
        rows.append((name, kind, str(used.get(name, 0)), quota, " ".join(project.immutable), rules))
    show_table(rows)


def _kept(rule: Rule) -> str:
    """``team/web*:pr-*=5,14d``: the newest five, and what is younger than that."""
    what = "untagged" if rule.untagged else f"{rule.pattern}={rule.keep}"
    where = f"{rule.repositories}:" if rule.repositories != "*" else ""
    return f"{where}{what},{rule.days}d" if rule.days else f"{where}{what}"


VERBS: Final[Mapping[str, Callable[[Records, Namespace], Awaitable[None]]]] = {
    "add": _put,
    "set": _put,
    "rm": _remove,
    "ls": _list,
}
