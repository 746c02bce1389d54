"""Which value a name has: rows were checked against the real Docker."""

import pytest

from pier.build.graph import Exec
from pier.oci.image import ExecutionConfig
from tests.unit.build.lower.drawing import PATH, config_of, execs_of, graph_of, steps_of

ROWS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("ARG G=glob\nFROM busybox\nARG G", {}, {"G": "glob"}),
    ("ARG G=glob\nFROM busybox", {}, {}),
    ("ARG G=glob\nARG H=$G-h\nFROM busybox\nARG H", {}, {"H": "glob-h"}),
    ("ARG G=glob\nFROM busybox\nARG G=own", {}, {"G": "own"}),
    ("ARG G=glob\nFROM busybox\nARG G=own", {"G": "given"}, {"G": "given"}),
    ("ARG G=glob\nFROM busybox\nARG G", {"G": "given"}, {"G": "given"}),
    ("FROM busybox\nARG A", {}, {}),
    ("FROM busybox\nARG A=", {}, {"A": ""}),
    ("FROM busybox\nARG A=arg\nENV A=env", {"A": "given"}, {"A": "env"}),
    ("FROM busybox\nENV A=env\nARG A=again", {}, {"A": "again"}),
    ("FROM busybox\nENV A=1\nENV A=2 B=$A", {}, {"A": "2", "B": "1"}),
    ("FROM busybox\nARG TARGETPLATFORM\nARG TARGETARCH", {}, {"TARGETPLATFORM": "linux/amd64", "TARGETARCH": "amd64"}),
    ("FROM busybox\nENV Z=$TARGETARCH", {}, {"Z": ""}),
    ("FROM busybox AS a\nARG V=1\nFROM a", {}, {"V": "1"}),
    ("FROM busybox AS a\nARG V=1\nFROM busybox", {}, {}),
    ("FROM busybox\nENV A=${B:-w} C=${A:+x}", {}, {"A": "w", "C": ""}),
]


@pytest.mark.parametrize(("text", "given", "expected"), ROWS)
def test_what_steps_see(text: str, given: dict[str, str], expected: dict[str, str]) -> None:
    [step] = execs_of(text + "\nRUN last", build_args=given)
    found = dict(entry.split("=", 1) for entry in step.env)
    assert found == {"PATH": PATH, **expected}


def test_the_image_has_no_arguments() -> None:
    config = config_of("FROM busybox\nARG A=1\nENV B=$A\nARG B=2", ExecutionConfig(env=["X=y"]))
    assert config.env == [f"PATH={PATH}", "X=y", "B=1"]


def test_a_path_of_the_base_stays() -> None:
    assert config_of("FROM busybox", ExecutionConfig(env=["A=1", "PATH=/mine"])).env == ["A=1", "PATH=/mine"]


def test_proxies_reach_steps_but_not_their_identity() -> None:
    text = "FROM busybox\nRUN a"
    plain, proxied = graph_of(text), graph_of(text, build_args={"HTTP_PROXY": "http://p", "NOPE": "1"})
    [vertex] = steps_of(proxied, Exec)
    assert vertex.environment == ("HTTP_PROXY=http://p",)
    assert list(plain.vertices) == list(proxied.vertices)


def test_from_may_use_platforms_and_arguments() -> None:
    graph = graph_of("ARG B=busy\nFROM --platform=linux/$BUILDARCH ${B}box:${TARGETOS}\nRUN a")
    assert "docker.io/library/busybox:linux" in next(iter(graph.vertices.values())).name


def test_documents_are_expanded_unless_quoted() -> None:
    text = "FROM busybox\nARG A=1\nCOPY <<X <<'Y' /d/\n$A \"$A\"\nX\n$A\nY\n"
    [vertex] = [each for each in graph_of(text).vertices.values() if "COPY" in each.name]
    assert [item.content for item in vertex.op.items] == ['1 "1"\n', "$A\n"]  # type: ignore[union-attr]  # a Copy
