"""The archive that the client has on its standard input, as a folder for as long as the build lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from pier.api.classic_context import removed, unpacked


class UploadedFolder:
    """Unpacked when it is first asked for. ``close`` it."""

    def __init__(self, tmp: Path, upload: Callable[[], AsyncIterator[bytes]]) -> None:
        self._tmp = tmp
        self._upload = upload
        self._place: asyncio.Task[Path] | None = None

    async def path(self) -> Path:
        """Raises what :func:`unpacked` does."""
        if self._place is None:
            self._place = asyncio.ensure_future(unpacked(self._tmp, self._upload()))
        return await asyncio.shield(self._place) / "context"

    async def close(self) -> None:
        if self._place is None:
            return
        self._place.cancel()
        await asyncio.wait([self._place])
        if not self._place.cancelled() and self._place.exception() is None:
            await removed(self._place.result())
