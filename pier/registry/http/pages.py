"""Lists in pages: ``n`` and ``last`` of a request, ``Link`` of its answer (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from pier.registry.refusals import Code, Refusal

LARGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """``size`` is how many were asked for, None for all; ``after`` the last name that the client has."""

    size: int | None
    after: str

    @property
    def nothing(self) -> bool:
        return self.size == 0

    @property
    def limit(self) -> int:
        """One more than are shown, since that one tells whether there are more; 0 for all."""
        return 0 if self.size is None else self.size + 1

    def cut(self, names: list[str]) -> list[str]:
        return names if self.size is None else names[: self.size]

    def link(self, path: str, names: list[str]) -> dict[str, str]:
        """The header that leads to what follows, where ``names`` (with the one more) say that something does."""
        if not self.size or len(names) <= self.size:
            return {}
        return link(path, {"last": names[self.size - 1], "n": self.size})


def link(path: str, query: Mapping[str, object]) -> dict[str, str]:
    """The header that leads to ``path`` with ``query`` as the next page."""
    return {"Link": f'<{path}?{urlencode(query, quote_via=quote)}>; rel="next"'}


def page_of(query: Mapping[str, str], default: int | None = None, largest: int = LARGEST) -> Page:
    """Raises Refusal PAGINATION_NUMBER_INVALID for an ``n`` that is no number from 0. More than ``largest`` is that."""
    text = query.get("n", "")
    after = query.get("last", "")
    if not text:
        return Page(default, after)
    if not (text.isascii() and text.isdigit()):
        raise Refusal(Code.PAGINATION_NUMBER_INVALID, "invalid number of results requested", {"n": text[:20]})
    return Page(min(int(text[:12]), largest), after)
