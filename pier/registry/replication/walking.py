"""All that a job is about, one after the other: what fails is noted, and the rest goes on."""

from collections.abc import Awaitable
from typing import Any

from pier.errors import NotFound, PierError
from pier.oci.digest import Digest
from pier.registry.manifests import document
from pier.registry.replication.copying import Copier
from pier.registry.replication.report import TEMPORARY, Ended
from pier.registry.replication.rules import about, companion_of, matches
from pier.registry.replication.tasks import Task
from pier.registry.settings import Replication


async def everything(copier: Copier, rule: Replication) -> None:
    """Raises Ended, or what is wrong with the list of repositories."""
    for name in await copier.source.repositories():
        if not matches(rule.names, name):
            continue
        try:
            found = await copier.source.tags(name)
        except NotFound as error:
            if not copier.source.near:
                copier.report.went_wrong(name, error)
        except PierError as error:
            copier.report.went_wrong(name, error)
        else:
            await _repository(copier, rule, name, [tag for tag in found if matches(rule.tags, tag)])


async def _repository(copier: Copier, rule: Replication, name: str, tags: list[str]) -> None:
    for tag in tags:
        await _attempt(copier, f"{name}:{tag}", copier.tag(name, tag))
    if rule.deletions:
        await _attempt(copier, name, _delete_others(copier, rule, name, frozenset(tags)))


async def _delete_others(copier: Copier, rule: Replication, name: str, kept: frozenset[str]) -> None:
    """Tags that the rule is about, and that the source has not."""
    try:
        there = await copier.target.tags(copier.named(name))
    except NotFound:
        return
    for tag in there:
        if tag not in kept and matches(rule.tags, tag) and not companion_of(tag):
            await _attempt(copier, f"{name}:{tag}", gone(copier, name, tag))


async def gone(copier: Copier, name: str, tag: str) -> None:
    """Delete it there, if it is not here again."""
    if copier.source.near and await copier.source.digest(name, tag) is not None:
        return
    if await copier.target.delete(copier.named(name), tag):
        copier.report.deleted += 1
        copier.report.line(f"{name}:{tag} deleted")


async def _attempt(copier: Copier, what: str, work: Awaitable[Any]) -> None:
    try:
        await work
    except Ended:
        raise
    except PierError as error:
        copier.report.went_wrong(what, error)
    else:
        copier.report.went_well()


async def pushed(copier: Copier, rule: Replication, task: Task) -> None:
    """What was pushed here, or deleted. Raises PierError only where trying again may help."""
    for tag in task.tags or ("",):
        try:
            await _pushed(copier, rule, task, tag)
        except TEMPORARY:
            raise
        except PierError as error:
            copier.report.failure(f"{task.repository}:{tag}" if tag else task.subject, error)


async def _pushed(copier: Copier, rule: Replication, task: Task, tag: str) -> None:
    name = task.repository
    if not tag:
        await _manifest(copier, name, Digest(task.digest))
    elif await copier.source.digest(name, tag) is None:
        if rule.deletions and about(rule, tag):
            await gone(copier, name, tag)
    elif matches(rule.tags, tag):
        await copier.tag(name, tag)
    elif (subject := companion_of(tag)) and await _is_there(copier, name, subject):
        await copier.tag(name, tag, alone=True)


async def _manifest(copier: Copier, name: str, digest: Digest) -> None:
    """One that was pushed without a tag: it matters where it refers to what is there."""
    try:
        found = await copier.source.manifest(name, digest)
    except NotFound:
        return
    subject = document.read(found.data, found.media_type)[0].subject
    if subject is None or not await _is_there(copier, name, subject):
        return
    manifest = await copier.referrer(name, digest)
    await copier.list_referrers(name, subject, [manifest])
    copier.report.copied += 1
    copier.report.line(f"{name}@{digest} copied")


async def _is_there(copier: Copier, name: str, subject: Digest) -> bool:
    return await copier.target.digest(copier.named(name), subject) is not None
