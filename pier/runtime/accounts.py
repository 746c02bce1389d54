"""Users and groups as a container's own files name them (pure): passwd(5), group(5), and Docker's rules."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pier.errors import InvalidArgument

_HIGHEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a process runs as. ``groups`` are the supplementary ones, sorted."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def find_account(user: str, more_groups: Iterable[str], passwd: str, group: str) -> Account:
    """``user`` is ``name|uid[:group|gid]``, empty is root. ``passwd`` and ``group`` are the files' texts.

    A number that is in no file is taken as it is. InvalidArgument ``unable to find user x: no matching entries
    in passwd file``.
    """
    name, _, group_name = user.partition(":")
    found = _find_user(name, passwd)
    groups = list(_groups(group))
    gid = _find_group(group_name, groups) if group_name else found.gid
    extra = {_find_group(each, groups) for each in more_groups}
    if not group_name and found.name:
        extra |= {each.gid for each in groups if found.name in each.members}
    return Account(found.uid, gid, tuple(sorted(extra | {gid})), found.home or "/")


def _find_user(wanted: str, passwd: str) -> _User:
    number = _number(wanted or "0")
    for user in _users(passwd):
        if user.name == wanted or user.uid == number:
            return user
    if number is None:
        raise InvalidArgument(f"unable to find user {wanted}: no matching entries in passwd file")
    return _User("", _checked(number), 0, "")


def _find_group(wanted: str, groups: Iterable[_Group]) -> int:
    number = _number(wanted)
    for group in groups:
        if group.name == wanted or group.gid == number:
            return group.gid
    if number is None:
        raise InvalidArgument(f"unable to find group {wanted}: no matching entries in group file")
    return _checked(number)


def _checked(number: int) -> int:
    if number > _HIGHEST:
        raise InvalidArgument(f"uids and gids must be in range 0-{_HIGHEST}")
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _users(text: str) -> Iterator[_User]:
    for fields in _lines(text, 4):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is not None and gid is not None and max(uid, gid) <= _HIGHEST:
            yield _User(fields[0], uid, gid, fields[5] if len(fields) > 5 else "")


def _groups(text: str) -> Iterator[_Group]:
    for fields in _lines(text, 3):
        gid = _number(fields[2])
        if gid is not None and gid <= _HIGHEST:
            members = fields[3].split(",") if len(fields) > 3 else ()
            yield _Group(fields[0], gid, tuple(each.strip() for each in members))


def _lines(text: str, least: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= least and not fields[0].startswith("#"):
            yield fields
