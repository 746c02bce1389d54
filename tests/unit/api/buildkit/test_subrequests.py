"""What is told of a Dockerfile that is not built."""

import json
from typing import Any

import pytest

from pier.api.buildkit import subrequests
from pier.build.dockerfile.ast import Location, Warning
from pier.build.dockerfile.parse import parse
from pier.errors import InvalidArgument, Unsupported

TEXT = """\
ARG V=1
ARG UNUSED
FROM busybox:$V AS a
# WHAT is it
ARG WHAT="x y"
RUN --mount=type=secret,id=s,required=true --mount=type=ssh true
FROM --platform=linux/arm64 scratch AS other
# b the last
FROM a AS b
ARG OTHER
"""
DOCKERFILE = parse({"Dockerfile": TEXT.encode()}, "Dockerfile")


def told(answer: subrequests.Answer) -> Any:
    assert answer["version"] == b"1.0.0"
    assert answer["result.txt"]
    return json.loads(answer["result.json"])


def test_describe() -> None:
    assert [each["name"] for each in told(subrequests.describe())] == [
        "frontend.outline",
        "frontend.targets",
        "frontend.lint",
        "frontend.subrequests.describe",
    ]


def test_targets() -> None:
    found = told(subrequests.targets(DOCKERFILE))["targets"]
    assert [(each["name"], each["base"]) for each in found] == [("a", "busybox:$V"), ("other", "scratch"), ("b", "a")]
    assert found[1]["platform"] == "linux/arm64"
    assert found[2]["description"] == "the last"
    assert [each.get("default", False) for each in found] == [False, False, True]
    assert found[0]["location"] == {"ranges": [{"start": {"line": 3}, "end": {"line": 3}}]}


def test_outline() -> None:
    found = told(subrequests.outline(DOCKERFILE, ""))
    assert found["name"] == "b"
    assert [(each["name"], each.get("value")) for each in found["args"]] == [
        ("V", "1"),
        ("WHAT", "x y"),
        ("OTHER", None),
    ]
    assert found["args"][1]["description"] == "is it"
    assert [(each["name"], each["required"]) for each in found["secrets"]] == [("s", True)]
    assert [each["name"] for each in found["ssh"]] == ["default"]
    assert [each["name"] for each in told(subrequests.outline(DOCKERFILE, "A"))["args"]] == ["V", "WHAT"]
    assert "args" not in told(subrequests.outline(DOCKERFILE, "1"))


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(InvalidArgument, match='target stage "c" could not be found'):
        subrequests.outline(DOCKERFILE, "c")


def test_lint() -> None:
    answer = subrequests.lint(DOCKERFILE, [Warning("Rule", "detail", Location("Dockerfile", 2, 2), "why", "url")])
    found = told(answer)
    assert found["warnings"][0]["ruleName"] == "Rule"
    assert found["warnings"][0]["location"]["sourceIndex"] == 0
    assert answer["result.statuscode"] == b"1"
    assert subrequests.lint(DOCKERFILE, [])["result.statuscode"] == b"0"


def test_other_requests_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"unsupported request frontend\.other"):
        subrequests.check_known("frontend.other")
