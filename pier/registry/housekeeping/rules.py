"""Which tags a project's retention rules let go (pure)."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from pier.registry.model import Project, Rule, Tag

DAY = 24 * 3600


def expired(project: Project, tags: Sequence[Tag], now: int) -> list[Tag]:
    """Those of one repository that any rule lets go, the oldest first; never an immutable one.

    The newest are those that were pushed last. Of a rule that says neither ``keep`` nor ``days``, nothing goes.
    """
    gone: dict[str, Tag] = {}
    newest_first = sorted(tags, key=lambda tag: (-tag.updated, tag.name))
    for rule in project.retention:
        gone |= {tag.name: tag for tag in _beyond(rule, newest_first, now) if not _immutable(project, tag)}
    return sorted(gone.values(), key=lambda tag: (tag.updated, tag.name))


def _beyond(rule: Rule, newest_first: Iterable[Tag], now: int) -> list[Tag]:
    if rule.untagged or not (rule.keep or rule.days):
        return []
    fitting = [tag for tag in newest_first if fnmatchcase(tag.name, rule.pattern)]
    old = now - rule.days * DAY
    return [tag for tag in fitting[rule.keep :] if not rule.days or tag.updated < old]


def _immutable(project: Project, tag: Tag) -> bool:
    return any(fnmatchcase(tag.name, pattern) for pattern in project.immutable)


def untagged_before(project: Project, now: int, lease: int) -> int | None:
    """Untagged manifests that were pushed before then may go; None: they stay.

    Not before ``lease`` seconds: an index comes after its images.
    """
    ages = [rule.days for rule in project.retention if rule.untagged]
    return now - max(min(ages) * DAY, lease) if ages else None


def of_repository(project: Project, repository: str) -> Project:
    """The project with those of its rules that concern the repository."""
    fitting = tuple(rule for rule in project.retention if fnmatchcase(repository, rule.repositories))
    return Project(name=project.name, immutable=project.immutable, retention=fitting)
