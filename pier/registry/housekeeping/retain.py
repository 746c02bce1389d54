"""The projects' retention rules, done: tags that may go are deleted, as if somebody had deleted them."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from pier.log import Logger
from pier.oci.digest import Digest
from pier.registry import names
from pier.registry.deps import Registry
from pier.registry.housekeeping.rules import expired, of_repository, untagged_before
from pier.registry.manifests.delete import deletion
from pier.registry.model import Project, Tag
from pier.registry.refusals import Code, Refusal

BY: Final = "retention"
_log: Final = Logger("pier.registry")
_PAGE: Final = 500
_HOLDER: Final = secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Doomed:
    """What a rule lets go: a tag, or a manifest without one (``tag`` is empty)."""

    repository: str
    tag: str
    digest: Digest


async def retain_alone(registry: Registry) -> None:
    """What one of all instances does now and then."""
    now = registry.now()
    if await registry.records.lock("retention", _HOLDER, now, now + registry.settings.retain_every):
        async with aclosing(retain(registry)) as going:
            count = len([each async for each in going])
        if count:
            _log.info("retention", deleted=count)


async def retain(registry: Registry, *, dry_run: bool = False) -> AsyncGenerator[Doomed, None]:
    """Delete what the rules of all projects let go, and say what; with ``dry_run`` only say it.

    A tag that is pushed in this moment is new, and stays.
    """
    for project in await registry.records.projects():
        if project.retention:
            async for repository in _repositories(registry, project.name):
                rules = of_repository(project, repository)
                async for each in _tags(registry, rules, repository, dry_run):
                    yield each
                async for each in _untagged(registry, rules, repository, dry_run):
                    yield each


async def _repositories(registry: Registry, project: str) -> AsyncIterator[str]:
    after = ""
    while page := await registry.records.repositories(after, _PAGE, project):
        for name in page:
            if names.project(name) == project:
                yield name
        after = page[-1]


async def _tags(registry: Registry, project: Project, repository: str, dry_run: bool) -> AsyncIterator[Doomed]:
    try:
        tags = await registry.records.tags(repository)
    except Refusal:
        return  # its last manifest has just gone
    for tag in expired(project, tags, registry.now()):
        if dry_run or await _deleted(registry, tag):
            yield Doomed(repository, tag.name, tag.digest)


async def _deleted(registry: Registry, tag: Tag) -> bool:
    try:
        plan = deletion(registry, tag.repository, BY)
        await registry.records.delete_tag(tag.repository, tag.name, registry.keep(), tag, plan)
    except Refusal as error:
        if error.code in (Code.MANIFEST_UNKNOWN, Code.DENIED):
            return False  # it was pushed again, or was made immutable
        raise
    return True


async def _untagged(registry: Registry, project: Project, repository: str, dry_run: bool) -> AsyncIterator[Doomed]:
    before = untagged_before(project, registry.now(), registry.settings.lease)
    if before is None:
        return
    plan = deletion(registry, repository, BY)
    for manifest in await registry.records.untagged(repository, before):
        digest = manifest.digest
        if dry_run or await registry.records.delete_untagged(repository, digest, before, registry.keep(), plan):
            yield Doomed(repository, "", digest)
