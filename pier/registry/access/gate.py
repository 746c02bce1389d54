"""All of one process that decides who may do what: what the pages beside the specification's are handed."""

from dataclasses import dataclass

from pier.registry.access.audit import Audit
from pier.registry.access.guard import Doorkeeper
from pier.registry.access.limits import Limits
from pier.registry.access.passwords import Passwords
from pier.registry.access.people import People
from pier.registry.access.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Gate:
    people: People
    guard: Doorkeeper
    tokens: Tokens
    limits: Limits
    passwords: Passwords
    audit: Audit
