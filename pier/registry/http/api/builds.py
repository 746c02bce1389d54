"""Automated builds over the JSON API: what there is, and one that is begun by hand. For administrators."""

from typing import Any

import msgspec
from aiohttp import web

from pier.registry.builds.byhand import rule_of, wanted_of
from pier.registry.builds.cancel import cancel as end
from pier.registry.builds.tasks import FAMILY, begin
from pier.registry.http.api.asking import Ask
from pier.registry.http.api.jobs import asked_run
from pier.registry.http.replies import document
from pier.registry.settings import Build


class _Which(msgspec.Struct, forbid_unknown_fields=True):
    """Without a ``ref`` it is the branch of the settings; without a ``commit`` whatever that is at."""

    ref: str = ""
    commit: str = ""


async def builds(ask: Ask) -> web.StreamResponse:
    """Those of the settings without their secrets, each with its last run."""
    ask.administer()
    return document([await _shown(ask, rule) for rule in ask.registry.settings.build])


async def _shown(ask: Ask, rule: Build) -> dict[str, Any]:
    last = await ask.registry.records.runs(FAMILY, rule.name, 1)
    return {
        "name": rule.name,
        "repository": rule.repository,
        "branch": rule.branch,
        "git_tags": rule.git_tags,
        "image": rule.image,
        "tags": rule.tags,
        "last": {"id": last[0].id, "state": last[0].state, "note": last[0].note} if last else None,
    }


async def cancel(ask: Ask) -> web.StreamResponse:
    """End one that waits or goes on."""
    found = await asked_run(ask)
    cancelled = await end(ask.registry.records, found, ask.registry.now)
    ask.note("build cancel", target=found.name)
    return document({"run": cancelled.id, "state": cancelled.state, "note": cancelled.note})


async def run(ask: Ask) -> web.StreamResponse:
    """Begin one, as a push of that ref would."""
    ask.administer()
    (name,) = ask.words
    rule = rule_of(ask.registry.settings, name)
    wanted = await ask.body(_Which) if ask.request.can_read_body else _Which()
    begun = await begin(ask.registry.records, rule, wanted_of(rule, wanted.ref, wanted.commit), ask.registry.now)
    ask.note("build run", target=rule.name)
    answer = document({"run": begun.id, "state": begun.state, "subject": begun.subject})
    answer.set_status(202)
    return answer
