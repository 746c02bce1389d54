"""What the user sees of a build: plain lines, the picture, BuildKit's JSON, findings and failures."""

from base64 import b64encode
from typing import Any

import pytest

from pier.cli.build.failure import account
from pier.cli.build.findings import checked, summary
from pier.cli.build.model import Model
from pier.cli.build.picture import columns, picture
from pier.cli.build.plain import Plain
from pier.cli.build.rawjson import message, timestamp

S = 1_000_000_000
BEGAN = 1_000 * S

Json = dict[str, Any]


def vertex(id: str, name: str, **more: Any) -> Json:
    return {"type": "vertex", "id": id, "name": name, **more}


def log(id: str, text: str, after: float) -> Json:
    data = b64encode(text.encode()).decode()
    return {"type": "log", "vertex": id, "stream": 1, "data": data, "time": BEGAN + int(after * S)}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[Plain, list[str], Clock]:
    out: list[str] = []
    clock = Clock()
    return Plain(out.append, clock), out, clock


def test_plain_tells_a_step() -> None:
    view, out, _ = plain()
    view.show([vertex("a", "[1/2] FROM x", completed=BEGAN, cached=True)])
    view.show([vertex("b", "[2/2] RUN y", started=BEGAN), log("b", "one\ntw", 0.25)])
    view.show([log("b", "o\n", 1), vertex("b", "[2/2] RUN y", started=BEGAN, completed=BEGAN + 12 * S // 10)])
    view.finish()
    assert "".join(out) == ("#1 [1/2] FROM x\n#1 CACHED\n\n#2 [2/2] RUN y\n#2 0.250 one\n#2 0.250 two\n#2 DONE 1.2s\n")


@pytest.mark.parametrize(
    ("error", "said"), [("exit code: 3", "#1 ERROR: exit code: 3\n"), ("x: context canceled", "#1 CANCELED\n")]
)
def test_plain_tells_failures(error: str, said: str) -> None:
    view, out, _ = plain()
    view.show([vertex("a", "RUN", started=BEGAN), log("a", "no end", 0), vertex("a", "RUN", completed=1, error=error)])
    assert "".join(out) == f"#1 RUN\n#1 0.000 no end\n{said}"


def test_plain_lets_a_step_speak_until_it_is_silent() -> None:
    view, out, clock = plain()
    view.show([vertex("a", "A", started=BEGAN), vertex("b", "B", started=BEGAN), log("b", "b1\n", 1)])
    assert "".join(out) == "#1 A\n"
    clock.now = 2.0
    view.tick()
    assert "".join(out) == "#1 A\n#1 ...\n\n#2 B\n#2 1.000 b1\n"


def model_of(*events: Json) -> Model:
    model = Model()
    for event in events:
        model.apply(event)
    return model


RUNNING = (
    vertex("a", "[1/3] FROM x", started=BEGAN, completed=BEGAN + S),
    vertex("b", "[2/3] RUN make", started=BEGAN + S),
    log("b", "".join(f"line {number}\n" for number in range(9)) + "open", 2),
    vertex("c", "[3/3] COPY"),
)


def test_the_picture() -> None:
    lines = picture(model_of(*RUNNING), BEGAN + 3 * S, 40, 24, colors=False, finished=False)
    assert lines == [
        "[+] Building 3.0s (1/3)             pier",
        " => [1/3] FROM x                    1.0s",
        " => [2/3] RUN make                  2.0s",
        *(f" => => # line {number}" for number in range(4, 9)),
        " => => # open",
    ]


@pytest.mark.parametrize("height", range(1, 12))
@pytest.mark.parametrize("width", [1, 3, 12, 20, 40, 200])
def test_the_picture_fits(width: int, height: int) -> None:
    lines = picture(model_of(*RUNNING), BEGAN + 3 * S, width, height, colors=False, finished=False)
    assert max(map(columns, lines)) <= width
    assert len(lines) <= max(height - 1, 2)


def test_what_runs_stays_in_a_low_window() -> None:
    many = [vertex(f"d{number}", f"done {number}", started=BEGAN, completed=BEGAN + S) for number in range(50)]
    lines = picture(model_of(*many, *RUNNING), BEGAN + 3 * S, 60, 6, colors=False, finished=False)
    assert any("RUN make" in line for line in lines)


def test_the_last_picture_has_all_steps_and_no_output() -> None:
    lines = picture(model_of(*RUNNING), BEGAN + 3 * S, 60, 3, colors=False, finished=True)
    assert len(lines) == 3
    assert "FINISHED" in lines[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31mred\x1b[0m", "red"), ("10%\r20%\r", "20%"), ("a\tb", "a    b"), ("bell\x07", "bell ")],
)
def test_output_cannot_move_the_cursor(text: str, shown: str) -> None:
    model = model_of(vertex("a", "RUN", started=BEGAN), log("a", text + "\n", 1))
    assert picture(model, BEGAN, 40, 24, colors=False, finished=False)[2] == f" => => # {shown}"


def test_colors() -> None:
    model = model_of(vertex("a", "RUN", started=BEGAN, completed=BEGAN, error="no"))
    assert picture(model, BEGAN, 40, 24, colors=True, finished=False)[1].startswith("\x1b[31m => ERROR RUN")


def test_raw_messages() -> None:
    assert timestamp(1_500_000_000_000_000_001) == "2017-07-14T02:40:00.000000001Z"
    assert message(vertex("a", "A", started=S, cached=True)) == {
        "vertexes": [{"digest": "a", "name": "A", "started": "1970-01-01T00:00:01.000000000Z", "cached": True}]
    }
    assert message(log("a", "x", 0))["logs"][0]["data"] == "eA=="


FINDING = {
    "type": "warning",
    "vertex": "a",
    "warning": {
        "rule": "StageNameCasing",
        "message": "Stage name 'A' should be lowercase",
        "location": {"file": "Dockerfile", "first": 1, "last": 1},
        "url": "https://x",
    },
    "source": "FROM x AS A\nRUN y\n",
}


def test_findings() -> None:
    assert checked([]) == "Check complete, no warnings found.\n"
    assert checked([FINDING]).splitlines() == [
        "Check complete, 1 warning has been found!",
        "",
        "WARNING: StageNameCasing - https://x",
        "Stage name 'A' should be lowercase",
        "Dockerfile:1",
        "--------------------",
        "   1 | >>> FROM x AS A",
        "   2 |     RUN y",
        "   3 |     ",
        "--------------------",
    ]
    assert " - StageNameCasing: Stage name 'A' should be lowercase (line 1)" in summary([FINDING])


def test_a_failure() -> None:
    told = {"message": "exit code: 3", "step": "[2/2] RUN x", "output": ["bad"], "shown": "Dockerfile:2\n"}
    assert account(told) == (
        "------\n > [2/2] RUN x:\nbad\n------\nDockerfile:2\nERROR: failed to solve: exit code: 3\n"
    )
