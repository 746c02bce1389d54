"""Projects, users, and the few values that all instances share."""

import msgspec

from pier.metadata.registry.transaction import Transaction
from pier.registry.model import Project, User


def find_project(sql: Transaction, name: str) -> Project | None:
    rows = sql.execute("SELECT record FROM projects WHERE name = ?", (name,))
    return msgspec.json.decode(rows[0][0], type=Project) if rows else None


def put_project(sql: Transaction, project: Project) -> None:
    _put(sql, "projects", project.name, project)


def exchange_project(sql: Transaction, before: Project | None, after: Project) -> bool:
    if find_project(sql, after.name) != before:
        return False
    put_project(sql, after)
    return True


def delete_project(sql: Transaction, name: str) -> None:
    sql.execute("DELETE FROM projects WHERE name = ?", (name,))


def projects(sql: Transaction) -> list[Project]:
    rows = sql.execute("SELECT record FROM projects ORDER BY name")
    return [msgspec.json.decode(record, type=Project) for (record,) in rows]


def find_user(sql: Transaction, name: str) -> User | None:
    rows = sql.execute("SELECT record FROM users WHERE name = ?", (name,))
    return msgspec.json.decode(rows[0][0], type=User) if rows else None


def put_user(sql: Transaction, user: User) -> None:
    _put(sql, "users", user.name, user)


def exchange_user(sql: Transaction, before: User | None, after: User) -> bool:
    if find_user(sql, after.name) != before:
        return False
    put_user(sql, after)
    return True


def delete_user(sql: Transaction, name: str) -> bool:
    return bool(sql.execute("DELETE FROM users WHERE name = ? RETURNING name", (name,)))


def users(sql: Transaction) -> list[User]:
    return [
        msgspec.json.decode(record, type=User) for (record,) in sql.execute("SELECT record FROM users ORDER BY name")
    ]


def _put(sql: Transaction, table: str, name: str, record: msgspec.Struct) -> None:
    sql.execute(
        f"INSERT INTO {table} (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record",
        (name, msgspec.json.encode(record).decode()),
    )


def setting(sql: Transaction, key: str) -> bytes | None:
    rows = sql.execute("SELECT value FROM settings WHERE name = ?", (key,))
    return bytes(rows[0][0]) if rows else None


def put_setting(sql: Transaction, key: str, value: bytes, only_new: bool) -> bytes:
    known = setting(sql, key)
    if known is not None and only_new:
        return known
    sql.execute(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (key, value),
    )
    return value
