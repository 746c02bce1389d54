"""What is to be copied: a job that the instances share, and the run that people look at."""

import uuid
from typing import Final

import msgspec

from pier.registry.model import Job, Run
from pier.registry.records import Records
from pier.registry.settings import Replication

FAMILY: Final = "replication"
EVERYTHING: Final = "everything"


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job's detail. Without a ``repository``: all that the rule is about.

    Else the ``tags`` that moved or went there; or, without tags, the manifest ``digest`` that was pushed by itself.
    """

    repository: str = ""
    tags: tuple[str, ...] = ()
    digest: str = ""

    @property
    def subject(self) -> str:
        if not self.repository:
            return EVERYTHING
        return f"{self.repository}:{','.join(self.tags)}" if self.tags else f"{self.repository}@{self.digest}"


def kind_of(rule: Replication) -> str:
    return f"{FAMILY}/{rule.name}"


def job_of(rule: Replication, task: Task, now: int) -> Job:
    return Job(id=uuid.uuid4().hex, kind=kind_of(rule), detail=msgspec.json.encode(task), due=now, created=now)


def task_of(job: Job) -> Task:
    return msgspec.json.decode(job.detail, type=Task)


async def begin(records: Records, rule: Replication, now: int) -> Run:
    """Have all of ``rule`` done, by whichever instance comes to it; or the run that waits or goes on already."""
    for job in await records.jobs((kind_of(rule),)):
        if not task_of(job).repository:
            return await records.run(job.id) or run_of(rule, job)
    job = job_of(rule, Task(), now)
    run = run_of(rule, job)
    await records.put_run(run)
    await records.add_job(job)
    return run


def run_of(rule: Replication, job: Job) -> Run:
    return Run(id=job.id, kind=FAMILY, name=rule.name, subject=task_of(job).subject, created=job.created)
