"""Who did what, to which digest, from where, and whether it was allowed: a line of JSON each. No secret is in it.

Refusals that repeat are counted (:mod:`pier.registry.access.floods`): ``times`` says how often one came again.
"""

import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from pier.errors import InvalidArgument
from pier.log import Logger
from pier.registry.access.floods import Floods

LOG_LINES: Final = "-"
_log: Final = Logger("pier.registry.audit")
_LONGEST: Final = 300


class Audit:
    """``target``: a file that lines are added to, :data:`LOG_LINES` for the log, nothing for no audit.

    Each line is one write, so that instances and ``pier registry user`` may share the file.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._file = -1
        self._failing = False
        self._floods = Floods()
        if target not in ("", LOG_LINES):
            try:
                self._open()
            except OSError as error:
                raise InvalidArgument(f"cannot write the audit log {target}: {error.strerror}") from error

    def _open(self) -> None:
        opened = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        old, self._file = self._file, opened
        if old >= 0:
            os.close(old)

    def note(self, event: str, *, who: str, address: str, result: str, **more: Any) -> None:
        """``result``: ok, or the code of the refusal. Fields that are empty are left out."""
        if not self._target:
            return
        given = {"event": event, "who": who, "address": address, "result": result, **more}
        shown = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in given.items()}
        if result == "ok" or self._floods.is_new(shown):
            self._write(shown)

    async def sum_up(self, *, all: bool = False) -> None:
        """Write down how often refusals of the last minute came again; ``all``: also of one that is not over."""
        for given in self._floods.over(all=all):
            self._write(given)

    def _write(self, given: Mapping[str, Any]) -> None:
        fields = {name: value for name, value in given.items() if value}
        if self._target == LOG_LINES:
            _log.info("audit", **fields)
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": stamp, **fields}) + "\n"
        try:
            os.write(self._file, line.encode())
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.error("the audit log cannot be written", file=self._target, reason=str(error))
            self._failing = True

    async def reload(self) -> None:
        """The file was moved away: begin another. Raises OSError."""
        if self._file >= 0:
            self._open()

    async def stop(self) -> None:
        await self.sum_up(all=True)
        if self._file >= 0:
            os.close(self._file)
            self._file, self._target = -1, ""
