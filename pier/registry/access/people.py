"""Who there is: users and robots of the records, and of an htpasswd file. What is known may be two seconds old."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pier.registry import names
from pier.registry.access.audit import Audit
from pier.registry.access.htpasswd import Htpasswd
from pier.registry.access.limits import Limits
from pier.registry.access.passwords import Passwords
from pier.registry.access.policy import Rights, is_public
from pier.registry.access.recent import Recent
from pier.registry.deps import Registry
from pier.registry.model import User
from pier.registry.principal import Refused
from pier.registry.refusals import Code, Refusal

_FRESH: Final = 2.0
WRONG: Final = "incorrect username or password"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in. ``secret`` is the hash of their password."""

    rights: Rights
    secret: str


class People:
    """``alone``: nobody but this machine can reach us, so that a registry without users is open."""

    def __init__(
        self,
        registry: Registry,
        file: Htpasswd | None,
        limits: Limits,
        audit: Audit,
        *,
        passwords: Passwords,
        alone: bool,
    ) -> None:
        self._registry = registry
        self._file = file
        self._limits = limits
        self._audit = audit
        self._passwords = passwords
        self._alone = alone or registry.settings.open
        self._accounts = Recent(self._account, _FRESH)
        self._public = Recent(self._is_public, _FRESH)
        self._any = Recent(self._has_users, _FRESH)

    async def sign_in(self, address: str, name: str, password: str) -> Account:
        """Raises Refusal: UNAUTHORIZED, TOOMANYREQUESTS after too many wrong passwords."""
        account = await self._accounts.get(name)
        secret = account.secret if account else ""
        if account and self._passwords.known(name, password, secret):
            return account
        if account and self._passwords.checking(name, password, secret):
            return await self._checked(account, name, password)
        with self.refusing(address, name):
            self._limits.login(address, name)
        if not await self._passwords.right(name, password, secret) or account is None:
            self._audit.note("login", who=_shown(name), address=address, result=Code.UNAUTHORIZED.value)
            raise Refused(Code.UNAUTHORIZED, WRONG, who=_shown(name))
        self._limits.right(address, name)
        self._audit.note("login", who=name, address=address, result="ok")
        return account

    @contextmanager
    def refusing(self, address: str, name: str = "") -> Iterator[None]:
        """What is refused here is a login."""
        try:
            yield
        except Refusal as refusal:
            self._audit.note("login", who=_shown(name), address=address, result=refusal.code.value)
            raise

    async def _checked(self, account: Account, name: str, password: str) -> Account:
        """As the first of several requests at once was answered."""
        if not await self._passwords.right(name, password, account.secret):
            raise Refused(Code.UNAUTHORIZED, WRONG, who=_shown(name))
        return account

    async def account(self, name: str) -> Account | None:
        """None for who is not there (any more), is disabled, or has expired."""
        return await self._accounts.get(name)

    async def nobody(self) -> Rights:
        """What those may do who have not signed in: everything, where there is nobody who could."""
        return Rights(admin=await self.open())

    async def open(self) -> bool:
        return self._alone and not await self._any.get(None)

    async def public(self, repository: str) -> bool:
        """Whether whoever asks may pull."""
        if is_public(self._registry.settings.anonymous_pull, repository):
            return True
        return names.is_repository(repository) and await self._public.get(names.project(repository))

    def forget(self) -> None:
        """Ask anew: something was changed here."""
        for each in (self._accounts, self._public, self._any):
            each.forget()

    async def _account(self, name: str) -> Account | None:
        if not name.isprintable():  # PostgreSQL knows no NUL
            return None
        record = await self._registry.records.user(name)
        listed = (await self._file.secrets()).get(name, "") if self._file else ""
        secret = (record.secret if record else "") or listed
        if not secret or (record is not None and not valid(record, self._registry.now())):
            return None
        settings = self._registry.settings
        roles = dict(record.projects) if record else {}
        if settings.default_role and "$" not in name:
            roles.setdefault("*", settings.default_role)
        admin = (record is not None and record.admin) or name in settings.admins
        return Account(Rights(name, admin, roles), secret)

    async def _is_public(self, project: str) -> bool:
        found = await self._registry.records.project(project)
        return found is not None and found.public

    async def _has_users(self, _: None) -> bool:
        return bool(self._file) or bool(await self._registry.records.users())


def _shown(name: str) -> str:
    """As logs may have it: whoever asks can say that they are called anything."""
    return name if name.isprintable() else "?"


def valid(user: User, now: int) -> bool:
    return not user.disabled and not 0 < user.expires <= now
