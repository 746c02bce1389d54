"""What progress shows for each vertex; rows are BuildKit's own."""

import pytest

from tests.unit.build.lower.drawing import names_of

FROM = "FROM docker.io/library/busybox:latest"

ROWS = [
    ("FROM busybox\nRUN a", [f"[1/2] {FROM}", "[2/2] RUN a"]),
    ("FROM busybox AS x\nRUN a", [f"[x 1/2] {FROM}", "[x 2/2] RUN a"]),
    (
        "FROM busybox\nRUN --mount=type=cache,target=/c a",
        [f"[stage-0 1/2] {FROM}", "[stage-0 2/2] RUN --mount=type=cache,target=/c a"],
    ),
    (
        "FROM busybox AS a\nRUN x\nFROM a\nWORKDIR app\nENV Q=1\nRUN y",
        [f"[a 1/2] {FROM}", "[a 2/2] RUN x", "[stage-1 1/2] WORKDIR app", "[stage-1 2/2] RUN y"],
    ),
    ("FROM busybox\nARG V=1\nRUN echo $V $NOPE", [f"[1/2] {FROM}", "[2/2] RUN echo 1 $NOPE"]),
    ("FROM busybox\nRUN <<E\necho hi\necho ho\nE", [f"[1/2] {FROM}", "[2/2] RUN <<E (echo hi...)"]),
    ("FROM scratch\nCOPY f /", ["[internal] load build context", "[1/1] COPY f /"]),
]


@pytest.mark.parametrize(("text", "names"), ROWS)
def test_names(text: str, names: list[str]) -> None:
    assert names_of(text) == names


def test_numbers_are_as_wide_as_the_last() -> None:
    names = names_of("FROM busybox AS first\n" + "RUN a\n" * 9)
    assert (names[0], names[-1]) == (f"[first  1/10] {FROM}", "[first 10/10] RUN a")


def test_several_platforms_are_told_apart() -> None:
    text = "FROM --platform=$BUILDPLATFORM busybox AS b\nRUN a\nFROM busybox\nCOPY --from=b /a /\n"
    names = names_of(text, platforms=("linux/amd64", "linux/arm64"))
    assert names == [
        f"[linux/amd64 b 1/2] {FROM}",
        "[linux/amd64 b 2/2] RUN a",
        "[linux/amd64 stage-1 2/2] COPY --from=b /a /",
        f"[linux/arm64 stage-1 1/2] {FROM}",
        "[linux/arm64 stage-1 2/2] COPY --from=b /a /",
    ]


def test_a_stage_for_another_platform_than_the_target_says_so() -> None:
    text = "FROM --platform=$BUILDPLATFORM busybox AS b\nRUN a\nFROM busybox\nCOPY --from=b /a /\n"
    names = names_of(text, platforms=("linux/arm64",), build_args={"BUILDKIT_MULTI_PLATFORM": "1"})
    assert f"[linux/amd64->arm64 b 1/2] {FROM}" in names
