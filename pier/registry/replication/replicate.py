"""Replications: what is pushed here becomes a job of each rule that it concerns, and jobs are done by any instance."""

import asyncio
from collections.abc import Iterator
from typing import Final

import msgspec

from pier.errors import InvalidArgument, PierError, Unavailable
from pier.log import Logger
from pier.oci.digest import Digest
from pier.registry.deps import Registry
from pier.registry.happenings import Happening
from pier.registry.jobs import Kind, Worker
from pier.registry.model import Job
from pier.registry.remotes import AGENT, Remotes
from pier.registry.replication import walking
from pier.registry.replication.copying import Copier
from pier.registry.replication.here import Here
from pier.registry.replication.report import TEMPORARY, Ended, Report
from pier.registry.replication.rules import about, follows, matches
from pier.registry.replication.sides import Side
from pier.registry.replication.tasks import FAMILY, Task, job_of, run_of, task_of
from pier.registry.replication.there import There
from pier.registry.replication.turns import Turns
from pier.registry.settings import Replication
from pier.registry.threads import unbroken
from pier.remote.settings import Settings as ClientSettings

_log: Final = Logger("pier.registry")
_AT_ONCE: Final = 3
_LONGEST_PAUSE: Final = 600
_ATTEMPTS: Final = 150
"""About a day."""
_LONGEST_ASKED_PAUSE: Final = 300.0
"""Seconds that a busy registry may ask us to wait (Retry-After) without the job being put off."""


class Replications:
    """``plan`` belongs to the registry's planners; ``worker`` has to run."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._remotes = Remotes(ClientSettings(user_agent=AGENT, longest_delay=_LONGEST_ASKED_PAUSE))
        self._rules = {rule.name: rule for rule in registry.settings.replication}
        if len(self._rules) < len(registry.settings.replication):
            raise InvalidArgument("two replications have the same name")
        self._turns = {name: Turns() for name in self._rules}
        kind = Kind(
            self._perform,
            at_once=_AT_ONCE,
            attempts=_ATTEMPTS,
            longest_pause=_LONGEST_PAUSE,
            give_up=self._give_up,
        )
        self.worker = Worker(registry, FAMILY, dict.fromkeys(self._rules, kind))

    async def stop(self) -> None:
        await self._remotes.stop()

    def plan(self, happening: Happening) -> Iterator[Job]:
        rules = self._rules.values()
        for rule in rules:
            if follows(rule, happening, rules) and (task := _task(rule, happening)):
                yield job_of(rule, task, self._registry.now())

    async def _perform(self, job: Job) -> None:
        """Raises PierError where trying again may help."""
        rule, task = self._rules[job.kind.partition("/")[2]], task_of(job)
        report = await self._report(job, rule, task)
        try:
            async with report.telling():
                await self._copy(rule, task, self._copier(rule, job, report))
        except asyncio.CancelledError:
            await unbroken(report.end("queued", "interrupted"))
            raise
        except PierError as error:
            report.line(f"put off: {error.message}")
            if not job.attempts:
                _log.warning("a replication is put off", name=rule.name, what=task.subject, reason=error.message)
            await report.end("queued", f"{report.note}; put off: {error.message}")
            raise
        except Exception as error:
            await report.end("queued", f"internal error: {error}")
            raise
        state = "failed" if report.failed else "done"
        await report.end(state)
        if not task.repository or report.deleted or report.copied:
            _log.info("a replication ended", name=rule.name, what=task.subject, state=state, result=report.note)

    async def _copy(self, rule: Replication, task: Task, copier: Copier) -> None:
        try:
            await (walking.pushed(copier, rule, task) if task.repository else walking.everything(copier, rule))
        except (Ended, *TEMPORARY) as error:
            if not isinstance(error, Ended):
                raise
        except PierError as error:
            copier.report.failure(rule.name, error)
        if copier.report.temporary:
            raise Unavailable(copier.report.temporary)

    def _copier(self, rule: Replication, job: Job, report: Report) -> Copier:
        here = Here(self._registry, rule, f"{FAMILY}/{rule.name}/{job.id}")
        there = There(self._remotes, rule)
        source, target = _in_order(rule, here, there)
        return Copier(
            source=source,
            target=target,
            named=lambda name: rule.prefix + name,
            homes=lambda digest: _homes(rule, here, digest),
            turns=self._turns[rule.name],
            report=report,
            referrers=rule.referrers,
        )

    async def _report(self, job: Job, rule: Replication, task: Task) -> Report:
        """What was said in attempts before stays in the log."""
        records, now = self._registry.records, self._registry.now()
        run = await records.run(job.id) or run_of(rule, job)
        report = Report(self._registry, msgspec.structs.replace(run, started=now), quiet=bool(task.repository))
        if job.attempts:
            report.line(f"attempt {job.attempts + 1}")
        await report.tell(state="running", note="")
        return report

    async def _give_up(self, job: Job, error: str) -> None:
        run = await self._registry.records.run(job.id) or run_of(self._rules[job.kind.partition("/")[2]], job)
        ended = msgspec.structs.replace(run, state="failed", note=f"given up: {error}", ended=self._registry.now())
        await self._registry.records.put_run(ended)


def _task(rule: Replication, happening: Happening) -> Task | None:
    """What is to be looked at. A manifest without a tag may be a signature."""
    tags = tuple(tag for tag in happening.tags if about(rule, tag))
    if tags:
        return Task(happening.repository, tags)
    alone = not happening.tags and happening.kind == "push" and rule.referrers
    return Task(happening.repository, digest=happening.digest) if alone else None


def _in_order(rule: Replication, here: Side, there: Side) -> tuple[Side, Side]:
    return (here, there) if rule.direction == "push" else (there, here)


async def _homes(rule: Replication, here: Here, digest: Digest) -> list[str]:
    """Repositories of the target that the rule fills, and that have the blob, or should have it by now."""
    known = await here.homes(digest)
    if rule.direction == "push":
        return [rule.prefix + name for name in known if matches(rule.names, name)]
    ours = [name for name in known if name.startswith(rule.prefix)]
    return [name for name in ours if matches(rule.names, name.removeprefix(rule.prefix))]
