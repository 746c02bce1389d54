"""What waits to be done, how it went, and what is done now: jobs, runs and replications. For administrators."""

from typing import Any, Final

from aiohttp import web

from pier.errors import InvalidArgument, NotFound
from pier.registry.http.api.asking import Ask
from pier.registry.http.replies import document
from pier.registry.model import Job, Run
from pier.registry.replication.tasks import FAMILY, begin
from pier.registry.settings import Replication

_MOST: Final = 1000


async def jobs(ask: Ask) -> web.StreamResponse:
    """Those that wait or go on; what they are about may be secret, and is not shown.

    ``?kind=`` is a whole kind (``replication/NAME``), or what goes before its slash.
    """
    ask.administer()
    kind = ask.query("kind")
    found = await ask.registry.records.jobs(() if "/" not in kind else (kind,))
    return document([_job(each) for each in found if kind in ("", each.kind, each.kind.partition("/")[0])])


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "due": job.due,
        "attempts": job.attempts,
        "last_error": job.last_error,
        "created": job.created,
    }


async def runs(ask: Ask) -> web.StreamResponse:
    """The newest first, ``?n=`` of them, of one ``?kind=`` and ``?name=`` where these are given."""
    ask.administer()
    found = await ask.registry.records.runs(ask.query("kind"), ask.query("name"), _count(ask))
    return document([_run(each) for each in found])


def _count(ask: Ask) -> int:
    text = ask.query("n") or "100"
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST):
        raise InvalidArgument(f"invalid n: {text[:20]}")
    return int(text)


async def run(ask: Ask) -> web.StreamResponse:
    """With its log."""
    found = await asked_run(ask)
    return document({**_run(found), "log": found.log})


async def asked_run(ask: Ask) -> Run:
    """The one that the path names, for administrators. Raises Refusal to others, NotFound."""
    ask.administer()
    (id,) = ask.words
    found = await ask.registry.records.run(id)
    if found is None:
        raise NotFound(f"no such run: {id[:64]}")
    return found


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "kind": run.kind,
        "name": run.name,
        "subject": run.subject,
        "state": run.state,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "note": run.note,
    }


async def replications(ask: Ask) -> web.StreamResponse:
    """The rules, with how the last run of each went."""
    ask.administer()
    return document([await _rule(ask, each) for each in ask.registry.settings.replication])


async def _rule(ask: Ask, rule: Replication) -> dict[str, Any]:
    last = await ask.registry.records.runs(FAMILY, rule.name, 1)
    return {
        "name": rule.name,
        "direction": rule.direction,
        "url": rule.remote.url,
        "names": rule.names,
        "tags": rule.tags,
        "prefix": rule.prefix,
        "on_push": rule.direction == "push" and rule.on_push,
        "every": rule.every,
        "at": rule.at,
        "last": _run(last[0]) if last else None,
    }


async def replicate(ask: Ask) -> web.StreamResponse:
    """Begin it, or name the run that waits or goes on already."""
    ask.administer()
    (name,) = ask.words
    rule = next((each for each in ask.registry.settings.replication if each.name == name), None)
    if rule is None:
        raise NotFound(f"no such replication: {name[:64]}")
    begun = await begin(ask.registry.records, rule, ask.registry.now())
    ask.note("replication run", target=rule.name)
    answer = document(_run(begun))
    answer.set_status(202)
    return answer
