"""A client that says exactly what a test says, and notes the answers in a form in which two registries compare."""

import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from yarl import URL

_AT_ONCE: Final = 1 << 20
_NOTED: Final = (
    "Accept-Ranges",
    "Allow",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "ETag",
    "Link",
    "Location",
    "OCI-Filters-Applied",
    "OCI-Subject",
    "Range",
)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The errors' codes, sorted, each once; empty for an answer that is no error of the specification."""
        try:
            return sorted({error["code"] for error in self.json["errors"]})
        except (ValueError, KeyError, TypeError):
            return []


@dataclass
class Raw:
    """Call it with a method and a path. ``seen`` has each answer's line: ``what: status code header=value``."""

    host: str
    session: aiohttp.ClientSession
    seen: list[str] = field(default_factory=list)

    async def __call__(
        self, method: str, path: str, *, note: str = "", headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Reply:
        """``path`` may be a Location. What is sent is ``body`` alone; an async iterator goes in chunks."""
        if isinstance(body, bytes) and len(body) > _AT_ONCE:
            body = io.BytesIO(body)
        url = path if path.startswith("http") else f"http://{self.host}{path}"
        async with self.session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as answer:
            try:
                reply = Reply(answer.status, answer.headers, await answer.read())
            except aiohttp.ClientPayloadError:  # Distribution's 416 announces more than it sends
                reply = Reply(answer.status, answer.headers, b"")
        self.seen.append(f"{note or method}: {self._line(method, reply)}")
        return reply

    def _line(self, method: str, reply: Reply) -> str:
        words = [str(reply.status), *reply.codes]
        for name in _NOTED:
            if name in reply.headers and not (name == "Content-Length" and _is_json(reply)):
                words.append(f"{name}={self._plain(name, reply.headers[name])}")
        if method == "GET" and reply.status == 200 and _is_json(reply):
            words.append(json.dumps(reply.json, sort_keys=True)[:300])
        return " ".join(words)

    def _plain(self, name: str, value: str) -> str:
        """Without what is each registry's own: its address, its uploads' names, how it says where they are."""
        value = value.replace(f"http://{self.host}", "")
        value = re.sub(r"/blobs/uploads/[^?]+.*", "/blobs/uploads/ID", value)
        if name == "Allow":
            return ",".join(sorted(each.strip() for each in value.split(",")))
        return value.partition(";")[0] if name == "Content-Type" else value


def _is_json(reply: Reply) -> bool:
    return reply.headers.get("Content-Type", "").startswith("application/json")


@asynccontextmanager
async def raw(host: str) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("Content-Type", "Accept-Encoding")
    ) as session:
        yield Raw(host, session)
