"""Our terminal, lent to a shell where a step has failed."""

from __future__ import annotations

from pier.cli.relay import write_all
from pier.cli.terminal import RawMode, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.build.views import View

    Json = dict[str, Any]


class Terminal:
    """Raw until :meth:`finish` or :meth:`abort`; what the shell writes is written as it comes."""

    def __init__(self) -> None:
        self.size = size() or (24, 80)
        self._mode = RawMode(True)
        self._mode.__enter__()

    def write(self, data: bytes) -> None:
        write_all(1, data)

    def finish(self) -> None:
        self._mode.__exit__(None, None, None)

    def abort(self) -> None:
        self.finish()


def open_terminal(view: View, question: Json) -> Terminal | None:
    """Say what happened, and lend the terminal; None where there is only something to say."""
    view.finish()
    if question["what"] == "told":
        write_all(2, f"{question['text']}\n".encode())
        return None
    text = f"{question['name']} failed: {question['error']}\nThis is a shell in its file system; exit ends the build.\n"
    write_all(2, text.encode("utf-8", "replace"))
    return Terminal()
