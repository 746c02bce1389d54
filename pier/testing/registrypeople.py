"""Users, a robot and projects for tests of who may do what, put into the records before a registry begins.

await settle(f"sqlite://{root}/registry.db")
"""

import time
from typing import Final

from pier.metadata.registry.opening import open_records
from pier.registry.access import accounts
from pier.registry.model import Project

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
            await accounts.add_user(records, name, password(name), admin=name == "root", roles=roles, now=now)
        await accounts.put_project(records, None, Project(name="site", public=True), now)
        _, secret = await accounts.add_robot(records, "team", "ci", "writer", now=now)
        return secret
    finally:
        await records.stop()
