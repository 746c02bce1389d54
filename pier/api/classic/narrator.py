"""A build's events told as the classic builder tells them: one instruction after the other.

Steps run in parallel, so what a later one writes waits until it is its turn. Intermediate images do not exist: the IDs
that are shown between the steps name vertices, but for the last one, which is the image's. What runs nothing (ENV) is
told to be as cached as the step before it in its stage; before the first step nothing is said of that.
"""

import codecs
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from pier.api.classic.steps import Line, find_target, lines_of
from pier.build.dockerfile import ast
from pier.build.dockerfile.lintvariables import PLATFORM_ARGS
from pier.build.dockerfile.variables import PROXIES
from pier.build.failures import BuildFailed
from pier.build.progress import Event, LogPiece, StatusState, VertexState
from pier.build.request import BuildRequest
from pier.oci.digest import Digest
from pier.oci.reference import parse_reference

_FREE_ARGS: Final = frozenset({*PROXIES, *PLATFORM_ARGS, "SOURCE_DATE_EPOCH"})
_PULLS: Final = "load metadata for "
_EXIT: Final = re.compile(r'process (".*") did not complete successfully: exit code: (\d+)', re.DOTALL)
_MISSING: Final = re.compile(r'"/?([^"]*)": not found\Z')
_INDEX: Final = re.compile(r"invalid stage index (\d+)")
_RESOLVING: Final = re.compile(r"\A\S+: failed to resolve source metadata for \S+: ")

Message = dict[str, Any]


class Narrator:
    """``say`` takes the messages. With ``quiet`` they are kept, and only an error has them told.

    ``removes``: say that the steps' containers are removed (``rm``); they are in any case.
    """

    def __init__(
        self, request: BuildRequest, say: Callable[[Message], None], *, quiet: bool = False, removes: bool = True
    ) -> None:
        self._request = request
        self._say = say
        self._quiet = quiet
        self._removes = removes
        self._image: Digest | None = None
        self._before: tuple[int, bool] | None = None
        self._kept: list[Message] = []
        self._dockerfile: ast.Dockerfile | None = None
        self._target = 0
        self._announced: dict[str, str] = {}
        self._lines: list[Line] | None = None
        self._at = 0
        self._begun = False
        self._triggered = False
        self._states: dict[str, VertexState] = {}
        self._logs: dict[str, list[Message]] = {}
        self._decoders: dict[tuple[str, int], codecs.IncrementalDecoder] = {}
        self._running: set[str] = set()

    def parsed(self, dockerfile: ast.Dockerfile) -> None:
        """The Dockerfile is known: from now on failures are messages. Raises InvalidArgument: it has no such target."""
        self._target = find_target(dockerfile, self._request.target)
        self._dockerfile = dockerfile
        first = lines_of(dockerfile, self._target, self._request.labels, ())
        count = sum(1 + len(stage.instructions) for stage in dockerfile.stages[: self._target + 1])
        if dockerfile.stages[0].start.text == first[0].text:
            self._step(first[0].text, 1, count + len(self._request.labels))
            self._begun = True

    def tell(self, event: Event) -> None:
        """The build's progress."""
        if isinstance(event, VertexState):
            self._states[event.id] = event
            self._announced.setdefault(event.id, event.name)
            if event.started:
                self._advance()
        elif isinstance(event, LogPiece):
            self._logs.setdefault(event.vertex, []).append(self._log(event))
            self._advance()
        elif isinstance(event, StatusState) and event.total and _PULLS in self._announced.get(event.vertex, ""):
            progress = {"current": event.current, "total": event.total}
            self._tell({"status": event.name, "progressDetail": progress, "id": event.id})

    def succeeded(self, images: Iterable[Digest]) -> None:
        """All went well: what is left to say, and the image's ID."""
        self._image = image = next(iter(images), None)
        self._advance(anyway=True)
        if image is None:
            self._say(error_message("No image was generated. Is your Dockerfile empty?"))
            return
        if self._quiet:
            self._say({"stream": f"{image}\n"})
            return
        self._say({"aux": {"ID": str(image)}})
        if unused := self._unused():
            self._say({"stream": f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed\n"})
        self._say({"stream": f"Successfully built {_short(image)}\n"})
        for tag in self._request.tags:
            self._say({"stream": f"Successfully tagged {parse_reference(tag).familiar}\n"})

    def failed(self, error: BuildFailed) -> bool:
        """Tell of the failure, if there was a Dockerfile to begin with; else it is the request's."""
        if self._dockerfile is None:
            return False
        step = self._states.get(error.vertex)
        self._advance(upto=error.vertex)
        for message in self._kept:
            self._say(message)
        self._say(failure_message(error.reason, step.name if step else ""))
        return True

    def _tell(self, message: Message) -> None:
        if self._quiet:
            self._kept.append(message)
        else:
            self._say(message)

    def _step(self, text: str, number: int, total: int) -> None:
        self._tell({"stream": f"Step {number}/{total} : {text}"})
        self._tell({"stream": "\n"})

    def _log(self, piece: LogPiece) -> Message:
        decoder = self._decoders.setdefault(
            (piece.vertex, piece.stream), codecs.getincrementaldecoder("utf-8")(errors="replace")
        )
        text = decoder.decode(piece.data)
        return {"stream": f"\x1b[91m{text}\x1b[0m" if piece.stream == 2 else text}

    def _advance(self, *, anyway: bool = False, upto: str = "") -> None:
        """Tell all whose turn it is. ``anyway``: whatever became of them; ``upto``: as far as this vertex."""
        if self._dockerfile is None:
            return
        if self._lines is None:
            named = list(self._announced.items())
            lines = lines_of(self._dockerfile, self._target, self._request.labels, named)
            if not (anyway or upto or any(line.vertex for line in lines)):
                return
            self._lines = lines
        while self._at < len(self._lines):
            line = self._lines[self._at]
            vertices = [vertex for vertex in (line.vertex, *line.triggers) if vertex]
            if not self._begin(line, vertices, anyway=anyway or bool(upto)):
                return
            done = all(self._flush(line, vertex) for vertex in vertices)
            if upto in vertices and upto:
                return
            if not anyway and not upto and not (done and self._at + 1 < len(self._lines)):
                return
            self._end(line, vertices)
            self._at += 1
            self._begun = self._triggered = False

    def _begin(self, line: Line, vertices: list[str], *, anyway: bool) -> bool:
        """Tell that the instruction begins; false where it has not."""
        started = not vertices or any(self._states[each].started for each in vertices if each in self._states)
        if not started and not anyway:
            return False
        if not self._begun and self._lines is not None:
            self._step(line.text, self._at + 1, len(self._lines))
            self._begun = True
        if line.triggers and not self._triggered:
            count = len(line.triggers)
            self._triggered = True
            self._tell({"stream": f"# Executing {count} build trigger{'s' if count > 1 else ''}\n"})
        return True

    def _flush(self, line: Line, vertex: str) -> bool:
        """Tell what it wrote so far; true where it is through."""
        logs = self._logs.get(vertex, [])
        state = self._states.get(vertex)
        ran = bool(logs) or (state is not None and state.completed and not state.cached)
        if ran and self._runs(vertex) and vertex not in self._running:
            self._running.add(vertex)
            self._tell({"stream": f" ---> Running in {_short(vertex)}\n"})
        for message in logs:
            self._tell(message)
        logs.clear()
        return state is not None and bool(state.completed) and not state.error

    def _runs(self, vertex: str) -> bool:
        """Whether Docker has a container for it."""
        return _keyword(self._announced.get(vertex, "")) in ("RUN", "WORKDIR")

    def _end(self, line: Line, vertices: list[str]) -> None:
        name = vertices[-1] if vertices else "sha256:" + hashlib.sha256(f"{self._at} {line.text}".encode()).hexdigest()
        state = self._states.get(name)
        if line.keyword != "FROM" or line.triggers:
            if vertices:
                self._before = (line.stage, state is not None and state.cached)
            stage, cached = self._before or (-1, False)
            if stage == line.stage:
                self._tell_container(name, cached=cached, setting=not vertices)
        if self._image is not None and self._lines is not None and self._at + 1 == len(self._lines):
            name = self._image
        self._tell({"stream": f" ---> {_short(name)}\n"})

    def _tell_container(self, vertex: str, *, cached: bool, setting: bool) -> None:
        """How the step came to its result."""
        if cached:
            self._tell({"stream": " ---> Using cache\n"})
            return
        if setting:
            self._tell({"stream": f" ---> Running in {_short(vertex)}\n"})
        if self._removes and (setting or self._runs(vertex)):
            self._tell({"stream": f" ---> Removed intermediate container {_short(vertex)}\n"})

    def _unused(self) -> list[str]:
        """Build arguments that no ARG asks for."""
        if self._dockerfile is None:
            return []
        instructions = [*self._dockerfile.args, *(i for s in self._dockerfile.stages for i in s.instructions)]
        asked = {pair.name for each in instructions if isinstance(each, ast.Arg) for pair in each.pairs}
        return sorted(set(self._request.build_args) - asked - _FREE_ARGS)


def failure_message(reason: str, step: str) -> Message:
    """In the classic builder's words where clients know them."""
    if match := _EXIT.search(reason):
        try:
            command = msgspec.json.decode(match[1], type=str)
        except msgspec.DecodeError:
            command = match[1][1:-1]
        text = f"The command '{command}' returned a non-zero code: {match[2]}"
        return error_message(text, code=int(match[2]))
    if match := _INDEX.fullmatch(reason):
        return error_message(f"invalid from flag value {match[1]}: index out of bounds")
    keyword = _keyword(step)
    if keyword in ("COPY", "ADD") and (match := _MISSING.search(reason)):
        return error_message(
            f"{keyword} failed: file not found in build context or excluded by .dockerignore: "
            f"stat {match[1]}: file does not exist"
        )
    return error_message(_RESOLVING.sub("", reason))


def error_message(text: str, code: int = 0) -> Message:
    return {"errorDetail": {"code": code, "message": text} if code else {"message": text}, "error": text}


def _keyword(step: str) -> str:
    """The instruction in the name of a vertex: ``[2/3] RUN make``."""
    return step.partition("] ")[2].partition(" ")[0].upper()


def _short(id: str) -> str:
    return id.rpartition(":")[2][:12]
