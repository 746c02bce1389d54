"""What a replication is about, and when it is due (pure)."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from pier.oci.digest import Digest
from pier.registry.happenings import Happening
from pier.registry.settings import Replication

_BY: Final = "replication:"
_COMPANION: Final = re.compile(r"sha256-([0-9a-f]{64})\.[A-Za-z0-9._-]+", re.A)


def matches(patterns: Iterable[str], text: str) -> bool:
    """Whether a glob is ``text``'s, and none of those that begin with ``!``; where these are alone, all others are."""
    wanted = [each for each in patterns if not each.startswith("!")]
    unwanted = [each[1:] for each in patterns if each.startswith("!")]
    return any(fnmatchcase(text, each) for each in wanted or ("*",)) and not any(
        fnmatchcase(text, each) for each in unwanted
    )


def named(patterns: Iterable[str]) -> list[str] | None:
    """The repositories that ``patterns`` spell out; None where there are wildcards: somebody has to list them."""
    wanted = [each for each in patterns if not each.startswith("!")]
    return wanted if wanted and not any(set(each) & set("*?[") for each in wanted) else None


def companion_of(tag: str) -> Digest | None:
    """The manifest that a tag such as ``sha256-….sig`` belongs to: how cosign attaches signatures."""
    found = _COMPANION.fullmatch(tag)
    return Digest(f"sha256:{found[1]}") if found else None


def about(rule: Replication, tag: str) -> bool:
    """Whether something may be to do after a push of the tag."""
    return matches(rule.tags, tag) or (rule.referrers and companion_of(tag) is not None)


def author(rule: Replication) -> str:
    """As whom the rule pushes here. No user is called so."""
    return _BY + rule.name


def follows(rule: Replication, happening: Happening, rules: Iterable[Replication]) -> bool:
    """Whether ``rule`` has something to do because of it: not, where it came from where it would go to."""
    if rule.direction != "push" or not rule.on_push or not matches(rule.names, happening.repository):
        return False
    if happening.kind == "delete" and not rule.deletions:
        return False
    return not any(author(each) == happening.by and each.remote.url == rule.remote.url for each in rules)


def when(rule: Replication) -> str:
    """For people: what lets it be done."""
    pushes = ["push"] if rule.direction == "push" and rule.on_push else []
    every = [f"every {rule.every} s"] if rule.every else []
    at = [f"at {rule.at}"] if rule.at else []
    return ", ".join(pushes + every + at) or "by hand"


def due(rule: Replication, last: datetime | None, now: datetime) -> bool:
    """Whether all of it is to be done by the clock. ``last``: when it was that before (None: never).

    Both are aware of the zone that the clock shows. ``at`` is what that shows: once a day also where a day has an hour
    twice, or where the moment falls into an hour that it has not.
    """
    if rule.every and (last is None or now - last >= timedelta(seconds=rule.every)):
        return True
    if not rule.at:
        return False
    hour, _, minute = rule.at.partition(":")
    shown = now.replace(tzinfo=None)
    moment = shown.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    if moment > shown:
        moment -= timedelta(days=1)
    return last is not None and last.replace(tzinfo=None) < moment
