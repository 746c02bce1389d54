"""Events of builds, told as the classic builder tells them."""

from typing import Any

import pytest

from pier.api.classic.narrator import Narrator, failure_message
from pier.build.dockerfile.parse import parse
from pier.build.failures import BuildFailed
from pier.build.progress import LogPiece, StatusState, VertexState
from pier.build.request import BuildRequest
from pier.errors import InvalidArgument
from pier.oci.digest import parse_digest

IMAGE = parse_digest("sha256:" + "ab" * 32)
FILE = "FROM busybox AS a\nENV a=b\nRUN echo out\nCOPY f /f\nCMD x\n"


class Told:
    """A narrator and what it said; vertices are named by letters."""

    def __init__(self, text: str, *, quiet: bool = False, removes: bool = True, **fields: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        request = BuildRequest(id="1", **fields)
        self.narrator = Narrator(request, self.messages.append, quiet=quiet, removes=removes)
        self.dockerfile = parse({"Dockerfile": text.encode()}, "Dockerfile")

    def parsed(self) -> None:
        self.narrator.parsed(self.dockerfile)

    def announce(self, **names: str) -> None:
        self.names = names
        for id, name in names.items():
            self.narrator.tell(VertexState(_id(id), name))

    def start(self, id: str) -> None:
        self.narrator.tell(VertexState(_id(id), self.names[id], started=1))

    def end(self, id: str, **state: Any) -> None:
        self.narrator.tell(VertexState(_id(id), self.names[id], started=1, completed=2, **state))

    def log(self, id: str, data: bytes, stream: int = 1) -> None:
        self.narrator.tell(LogPiece(_id(id), stream, data, 0))

    @property
    def text(self) -> str:
        return "".join(message.get("stream", "") for message in self.messages)


def _id(letter: str) -> str:
    return "sha256:" + letter * 64


def test_a_build() -> None:
    told = Told(FILE, tags=("docker.io/library/x:latest",), build_args={"Y": "1", "http_proxy": "p"})
    told.parsed()
    assert told.text == "Step 1/5 : FROM busybox AS a\n"
    told.announce(a="[a 1/3] FROM docker.io/library/busybox", b="[a 2/3] RUN echo out", c="[a 3/3] COPY f /f")
    told.end("a", cached=True)
    told.start("b")
    told.log("b", b"out\xc3")
    told.log("b", b"\xa9\n")
    told.log("b", b"err\n", 2)
    told.end("b")
    told.end("c", cached=True)
    told.narrator.succeeded((IMAGE,))
    env = told.text.split("\n")[3].split()[1]
    assert told.text == (
        "Step 1/5 : FROM busybox AS a\n"
        " ---> aaaaaaaaaaaa\n"
        "Step 2/5 : ENV a=b\n"
        f" ---> {env}\n"
        "Step 3/5 : RUN echo out\n"
        " ---> Running in bbbbbbbbbbbb\n"
        "out\xe9\n\x1b[91merr\n\x1b[0m"
        " ---> Removed intermediate container bbbbbbbbbbbb\n"
        " ---> bbbbbbbbbbbb\n"
        "Step 4/5 : COPY f /f\n"
        " ---> Using cache\n"
        " ---> cccccccccccc\n"
        "Step 5/5 : CMD x\n"
        " ---> Using cache\n"
        " ---> abababababab\n"
        "[Warning] One or more build-args [Y] were not consumed\n"
        "Successfully built abababababab\n"
        "Successfully tagged x:latest\n"
    )
    assert {"aux": {"ID": str(IMAGE)}} in told.messages


def test_parallel_stages_are_told_one_after_the_other() -> None:
    told = Told("FROM b AS one\nRUN 1\nFROM b\nRUN 2\nCOPY --from=one / /\n", labels={"k": "v"})
    told.parsed()
    told.announce(
        a="[one 1/2] FROM b", b="[one 2/2] RUN 1", c="[stage-1 2/3] RUN 2", d="[stage-1 3/3] COPY --from=one / /"
    )
    told.end("a")
    told.start("b")
    told.start("c")
    told.log("c", b"second\n")
    told.end("c")
    assert "second" not in told.text
    told.log("b", b"first\n")
    told.end("b")
    assert told.text.index("first") < told.text.index("Step 3/6 : FROM b") < told.text.index("second")
    told.end("d")
    told.narrator.succeeded((IMAGE,))
    assert "Step 6/6 : LABEL k=v\n" in told.text


@pytest.mark.parametrize("removes", [True, False])
def test_what_runs_nothing_is_told_as_the_step_before_it(removes: bool) -> None:
    told = Told("FROM b\nRUN 1\nENV a=b\nCMD x\n", removes=removes, labels={"k": "v", "l": "w"})
    told.parsed()
    told.announce(a="[1/2] FROM b", b="[2/2] RUN 1")
    told.end("a")
    told.end("b")
    told.narrator.succeeded((IMAGE,))
    assert "Step 5/6 : LABEL k=v\n" in told.text and "Step 6/6 : LABEL l=w\n" in told.text
    assert told.text.count(" ---> Running in ") == 5
    assert told.text.count(" ---> Removed intermediate container ") == 5 * removes
    assert told.text.endswith(" ---> abababababab\nSuccessfully built abababababab\n")


def test_stages_that_are_not_needed_are_not_told() -> None:
    told = Told("FROM b AS x\nRUN 1\nFROM scratch AS y\nCMD 2\nFROM y\nCMD 3\n")
    told.parsed()
    told.narrator.succeeded((IMAGE,))
    assert "RUN 1" not in told.text
    assert "FROM scratch AS y\n" in told.text and "CMD 2" in told.text and "CMD 3" in told.text


def test_triggers() -> None:
    told = Told("FROM base\nRUN own\n")
    told.parsed()
    told.announce(a="[1/3] FROM base", b="[2/3] RUN trigger", c="[3/3] RUN own")
    told.end("a", cached=True)
    told.start("b")
    told.log("b", b"trig\n")
    told.end("b")
    told.end("c")
    assert told.text.startswith(
        "Step 1/2 : FROM base\n# Executing 1 build trigger\n ---> Running in bbbbbbbbbbbb\ntrig\n"
        " ---> Removed intermediate container bbbbbbbbbbbb\n ---> bbbbbbbbbbbb\nStep 2/2"
    )


def test_quiet_builds_say_only_the_image() -> None:
    told = Told(FILE, quiet=True)
    told.parsed()
    told.announce(a="[a 1/3] FROM docker.io/library/busybox")
    told.end("a", cached=True)
    told.narrator.succeeded((IMAGE,))
    assert told.messages == [{"stream": f"{IMAGE}\n"}]


def test_a_step_that_fails() -> None:
    told = Told(FILE, quiet=True)
    told.parsed()
    told.announce(a="[a 1/3] FROM docker.io/library/busybox", b="[a 2/3] RUN echo out", c="[a 3/3] COPY f /f")
    told.end("a", cached=True)
    told.start("b")
    told.log("b", b"out\n")
    told.end("b", error="no")
    reason = 'process "/bin/sh -c echo \\"out\\"" did not complete successfully: exit code: 3'
    assert told.narrator.failed(BuildFailed(reason, vertex=_id("b"), step="[a 2/3] RUN echo out"))
    text = "The command '/bin/sh -c echo \"out\"' returned a non-zero code: 3"
    assert told.text.endswith("Step 3/5 : RUN echo out\n ---> Running in bbbbbbbbbbbb\nout\n")
    assert told.messages[-1] == {"errorDetail": {"code": 3, "message": text}, "error": text}


def test_failures_before_the_file_was_read_are_the_requests() -> None:
    told = Told(FILE)
    assert not told.narrator.failed(BuildFailed("no such file"))
    assert told.messages == []


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(InvalidArgument, match='target stage "z" could not be found'):
        Told(FILE, target="z").parsed()


def test_pulls_are_told() -> None:
    told = Told(FILE)
    told.announce(m="[internal] load metadata for docker.io/library/busybox", x="[internal] load build context")
    told.narrator.tell(StatusState(_id("m"), "abc", "Downloading", current=1, total=2))
    told.narrator.tell(StatusState(_id("x"), "def", "transferring context:", current=1, total=2))
    assert told.messages == [{"status": "Downloading", "progressDetail": {"current": 1, "total": 2}, "id": "abc"}]


FAILURES = [
    (
        'failed to compute cache key: failed to calculate checksum of ref a::b: "/nosuch": not found',
        "[2/2] COPY nosuch /",
        "COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist",
    ),
    ("something else", "[2/2] RUN x", "something else"),
]


@pytest.mark.parametrize(("reason", "step", "text"), FAILURES)
def test_words_of_failures(reason: str, step: str, text: str) -> None:
    assert failure_message(reason, step) == {"errorDetail": {"message": text}, "error": text}
