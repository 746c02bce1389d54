"""Stages: what is needed of them, what their names mean, and what is said of names that mean nothing."""

import time
from typing import Any

import pytest

from pier.build.dockerfile.fault import Fault
from pier.build.graph import Copy, Exec, GitSource, ImageSource, LocalSource
from pier.errors import InvalidArgument, PierError
from pier.oci.image import ExecutionConfig
from tests.unit.build.lower.drawing import config_of, execs_of, folders_of, graph_of, history_of, names_of, steps_of

THREE = """\
FROM one AS one
RUN in one
FROM two AS two
RUN in two
FROM one AS three
COPY --from=two /x /x
"""


def ran(text: str, **request: object) -> list[str]:
    return [each.args[-1] for each in execs_of(text, **request)]


@pytest.mark.parametrize(
    ("target", "needed"),
    [("", ["in one", "in two"]), ("three", ["in one", "in two"]), ("TWO", ["in two"]), ("one", ["in one"])],
)
def test_only_what_the_target_needs_is_drawn(target: str, needed: list[str]) -> None:
    assert ran(THREE, target=target) == needed


def test_images_that_no_needed_stage_begins_with_are_not_asked_for() -> None:
    assert [vertex.op.reference for vertex in steps_of(graph_of(THREE, target="two"), ImageSource)] == [  # type: ignore[union-attr]  # an ImageSource
        "docker.io/library/two:latest"
    ]


WRONG = [
    ("FROM busybox AS one\nCOPY --from=2 f /", {}, "invalid stage index 2", 2),
    ("FROM busybox AS one\nCOPY --from=one f /", {}, "circular dependency detected on stage: one", 2),
    ("FROM busybox AS one\nCOPY --from=0 f /", {}, "circular dependency detected on stage: one", 2),
    (
        "FROM busybox AS one\nCOPY --from=1 f /\nFROM one AS two",
        {},
        'cannot copy from stage "1", it needs to be defined before current stage "one"',
        2,
    ),
    ("FROM $NONE", {}, "base name ($NONE) should not be blank", 1),
    (
        "FROM A:B:C",
        {},
        'failed to parse stage name "A:B:C": invalid reference format: repository name (library/A) must be lowercase',
        1,
    ),
    (
        "FROM --platform=foo/bar/baz/x busybox",
        {},
        'failed to parse platform foo/bar/baz/x: "foo/bar/baz/x": cannot parse platform specifier: invalid argument',
        1,
    ),
    ("FROM busybox\nENV A=${B:?need}", {}, 'failed to process "${B:?need}": B: need', 2),
    ("FROM busybox\nEXPOSE 99999", {}, "Invalid containerPort: 99999", 2),
    ("FROM busybox\nEXPOSE 80-70", {}, "Invalid containerPort: 80-70", 2),
    ("FROM busybox\nSTOPSIGNAL SIGFOO", {}, "invalid signal: SIGFOO", 2),
    ("FROM busybox\nRUN --network=host a", {}, "network.host is not allowed", 2),
    ("FROM busybox\nRUN --security=insecure a", {}, "security.insecure is not allowed", 2),
    ("FROM busybox\nRUN --mount=type=cache a", {}, 'invalid mount target "/"', 2),
    ("FROM busybox\nCOPY f /", {"context": ""}, "the build has no context to read files from", 2),
]


@pytest.mark.parametrize(("text", "request_", "reason", "line"), WRONG)
def test_what_is_wrong(text: str, request_: dict[str, Any], reason: str, line: int) -> None:
    with pytest.raises(Fault) as caught:
        graph_of(text, **request_)
    assert caught.value.reason == reason
    assert caught.value.location is not None and caught.value.location.first == line
    assert f"{line:4d} | >>> " in caught.value.shown


def test_an_unknown_target_comes_with_a_near_one() -> None:
    with pytest.raises(InvalidArgument) as caught:
        graph_of("FROM busybox AS build\nFROM busybox AS final", target="biuld")
    assert str(caught.value) == 'target stage "biuld" could not be found (did you mean build?)'


def test_triggers_run_in_what_is_built_from_the_image_and_no_further() -> None:
    base = ExecutionConfig(on_build=["RUN echo a", "COPY --from=other /x /y", "ENV T=1"])
    graph = graph_of("FROM base AS one\nRUN mine\nFROM one\nRUN after", base)
    assert [each.op.args[-1] for each in steps_of(graph, Exec)] == ["echo a", "mine", "after"]  # type: ignore[union-attr]  # an Exec
    assert {each.op.reference for each in steps_of(graph, ImageSource)} == {  # type: ignore[union-attr]  # an ImageSource
        "docker.io/library/base:latest",
        "docker.io/library/other:latest",
    }
    assert graph.targets[0].config.on_build is None


def test_triggers_of_a_stage() -> None:
    assert history_of("FROM busybox AS a\nONBUILD RUN x\nFROM a") == ["RUN /bin/sh -c x # buildkit"]


def test_a_trigger_that_cannot_be_read_is_the_from_lines_fault() -> None:
    with pytest.raises(Fault) as caught:
        graph_of("# a comment\nFROM base", ExecutionConfig(on_build=["NONSENSE x"]))
    assert caught.value.location is not None and caught.value.location.first == 2


def test_a_named_context_stands_in_for_stages_and_images() -> None:
    text = "FROM busybox AS two\nRUN never\nFROM alpine AS three\nCOPY --from=two q /\nCOPY --from=ctx r /"
    contexts = {"two": "local:two", "docker.io/library/alpine": "docker-image://debian:12", "ctx": "local:dir"}
    graph = graph_of(text, contexts=contexts)
    assert not steps_of(graph, Exec)
    [image] = steps_of(graph, ImageSource)
    assert isinstance(image.op, ImageSource) and image.op.reference == "docker.io/library/debian:12"
    assert folders_of(text, contexts=contexts) == {"two": ("q",), "dir": ("r",)}


def test_a_named_context_can_be_another_stage() -> None:
    text = "FROM busybox AS real\nRUN it\nFROM busybox\nCOPY --from=name /a /"
    assert ran(text, contexts={"name": "target:real"}) == ["it"]


def test_a_stage_from_a_folder() -> None:
    graph = graph_of("FROM ctx\nRUN a", contexts={"ctx": "local:ctx"})
    [copy] = steps_of(graph, Copy)
    assert isinstance(copy.op, Copy) and (copy.op.dest, copy.op.base) == ("/", None)


def test_a_context_that_is_a_repository() -> None:
    graph = graph_of("FROM busybox\nCOPY a /", context="https://host/it.git#main:sub/")
    [source] = steps_of(graph, GitSource)
    assert source.op == GitSource(url="https://host/it.git", ref="main", folder="sub")


def test_contexts_that_cannot_be_are_refused() -> None:
    with pytest.raises(PierError, match="unsupported context source cargo"):
        graph_of("FROM busybox\nCOPY --from=x a /", contexts={"x": "cargo://store"})


PATHS = [
    ("COPY a b/ /x/", ("a", "b")),
    ("COPY ./a /b/../c /x/", ("a", "c")),
    ("COPY *.txt dir/[ab]?.md /x/", ("*.txt", "dir/[ab]?.md")),
    ("COPY a /x\nCOPY . /y", ()),
    ("COPY ../.. /x", ()),
    ("ADD a https://host/f /x/", ("a",)),
    ("COPY --parents a/./b/c.txt d/**/e /x/", ("a/b/c.txt", "d")),
    ("RUN --mount=type=bind,source=m,target=/m a", ("m",)),
    ("RUN --mount=type=bind,target=/m a", ()),
]


@pytest.mark.parametrize(("instructions", "paths"), PATHS)
def test_only_what_is_read_is_asked_for(instructions: str, paths: tuple[str, ...]) -> None:
    assert folders_of("FROM busybox\n" + instructions) == {"context": paths}


def test_nothing_is_asked_for_by_stages_that_are_not_needed() -> None:
    assert folders_of("FROM busybox AS a\nCOPY . /\nFROM busybox\nCOPY b /") == {"context": ("b",)}
    assert folders_of("FROM busybox\nCOPY <<E /x\nhi\nE") == {}


def test_one_folder_is_brought_once() -> None:
    graph = graph_of("FROM busybox AS a\nCOPY a /\nFROM busybox\nCOPY b /\nCOPY --from=a /a /")
    assert len(steps_of(graph, LocalSource)) == 1


def test_equal_steps_are_one() -> None:
    text = "FROM busybox AS a\nRUN same\nFROM busybox AS b\nRUN same\nFROM a\nCOPY --from=b /x /"
    assert len(steps_of(graph_of(text), Exec)) == 1


def test_some_stages_do_without_the_cache() -> None:
    text = "FROM busybox AS a\nRUN x\nFROM busybox\nRUN y\nCOPY --from=a / /"
    assert [each.uncached for each in steps_of(graph_of(text, no_cache_filter=("a",)), Exec)] == [True, False]
    assert [each.uncached for each in steps_of(graph_of(text, no_cache=True), Exec)] == [True, True]


def test_labels_of_the_request_go_on_top() -> None:
    config = config_of("FROM busybox\nLABEL a=1 b=2", labels={"a": "x", "c": "3"})
    assert config.labels == {"a": "x", "b": "2", "c": "3"}


def test_five_hundred_stages_are_lowered_at_once() -> None:
    stages = "".join(f"FROM s{i - 1} AS s{i}\nRUN echo {i}\nCOPY f{i} /\n" for i in range(1, 500))
    began = time.process_time()
    assert len(names_of("FROM busybox AS s0\n" + stages)) == 2 + 2 * 499
    assert time.process_time() - began < 1


def test_a_stage_that_is_not_needed_may_name_what_is_not_there() -> None:
    text = "FROM busybox AS a\nCOPY --from=$NOPE /x /x\nFROM busybox AS b\nRUN it"
    assert ran(text, target="b") == ["it"]
    with pytest.raises(Fault, match="failed to parse stage name"):
        graph_of(text, target="a")
    with pytest.raises(Fault, match="should not be blank"):
        graph_of("FROM $NOPE AS a\nFROM busybox AS b", target="b")
