"""Users, a robot and projects for tests of who may do what, put into the records before a registry begins.

await settle(f"sqlite://{root}/registry.db")
"""

import secrets
import time
from typing import Final

import bcrypt

from pier.metadata.registry.opening import open_records
from pier.registry.access import accounts
from pier.registry.model import Project, User

ROLES: Final[dict[str, dict[str, str]]] = {
    "root": {},
    "ann": {"team": "admin"},
    "bob": {"team": "writer"},
    "cat": {"team": "reader"},
    "eve": {},
}
"""Roles by name; ``root`` may do everything. A user's password is :func:`password`."""

ROBOT: Final = "robot$team+ci"


def password(name: str) -> str:
    return f"pass-of-{name}-S3cr3t"


async def settle(database: str) -> str:
    """Make them all, and the project ``site``, which is public. Returns the secret of the robot, a writer of team."""
    records = await open_records(database)
    now = int(time.time())
    try:
        for name, roles in ROLES.items():
            given = accounts.roles_of(roles)
            user = User(name=name, secret=_quick(password(name)), admin=name == "root", projects=given, created=now)
            assert await records.exchange_user(None, user)
        await accounts.put_project(records, None, Project(name="site", public=True), now)
        secret = secrets.token_urlsafe()
        robot = User(name=ROBOT, secret=_quick(secret), projects=accounts.roles_of({"team": "writer"}), created=now)
        assert await records.exchange_user(None, robot)
        return secret
    finally:
        await records.stop()


def _quick(word: str) -> str:
    """A hash of the least cost: what people have takes 50 ms, at each settling and each sign-in."""
    return bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()
